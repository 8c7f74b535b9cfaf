"""Try to prove a pair under twenty seeds, by the prover alone.

Both models are built and traced once. Each seed draws other primes, inputs, weights and lengths.
"""

from __future__ import annotations

from collections.abc import Iterator

from layerlens.models.build.request import Built
from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import pair_model_weights
from layerlens.proof.certify import Prover
from layerlens.proof.graphs import THEY_DIFFER, Unproved
from layerlens.report.pairs import CertificateRow
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario

SEEDS = range(20)


def prove_nothing_of(scenario: Scenario, why: str) -> bool:
    """Assert that the two models of a scenario are not proved equal under any seed.

    Returns False where the prover is never asked.
    """
    was_asked = False
    for seed, found in certificates(scenario):
        assert isinstance(found, Unproved), f"{why}\nseed {seed}: {found}"
        was_asked = True
    return was_asked


def certificates(scenario: Scenario) -> Iterator[tuple[int, CertificateRow | Unproved]]:
    """Yield each seed with the certificate, or why there is none, in a scenario's first mode.

    Yields nothing where a model is refused, or where shapes or weights differ.
    """
    built = Trial(scenario, RunOptions(allow_code=True)).variants.build_all()
    one, other = built[scenario.reference], built[scenario.candidates[0].name]
    if not (isinstance(one, Built) and isinstance(other, Built)):
        return
    transfer = pair_model_weights(one, other, scenario.transfer)
    if one.report.output_shape != other.report.output_shape or not transfer.complete:
        return
    training = scenario.modes[0] == "training"
    sides = [Side.of(b.spec.name, b, b, training=training, seed=0) for b in (one, other)]
    prover = Prover(sides[0], sides[1], transfer)
    for seed in SEEDS:
        found = prover.certificate(seed)
        yield seed, found
        if isinstance(found, Unproved) and found.reason != THEY_DIFFER:
            return  # refused: no seed is drawn
