"""Try to prove a pair under twenty seeds, by the prover alone.

Both models are built and traced once. Each seed draws other primes, inputs, weights and lengths;
seeds that draw the same lengths are run at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from layerlens.models.build.request import Built
from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import pair_model_weights
from layerlens.proof.certify import Prover
from layerlens.proof.graphs import THEY_DIFFER, Unproved, further_steps
from layerlens.report.pairs import CertificateRow
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario
from tests.fields_at_once import SeedsDisagreeError, all_at_once

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
    for seeds in groups(one):
        for seed, found in under_all(prover, seeds):
            yield seed, found
        if isinstance(found, Unproved) and found.reason != THEY_DIFFER:
            return  # refused: no seed is drawn


def groups(built: Built) -> Collection[Sequence[int]]:
    """Return the seeds in groups that draw the same lengths."""
    is_variable = any(None in given.shape for given in built.inputs)
    found: dict[int, list[int]] = {}
    for seed in SEEDS:
        found.setdefault(further_steps(seed) if is_variable else 0, []).append(seed)
    return found.values()


def under_all(prover: Prover, seeds: Sequence[int]) -> list[tuple[int, CertificateRow | Unproved]]:
    """Return what is found under each seed: at once, or one by one where they disagree."""
    try:
        with all_at_once(seeds):
            found = prover.certificate(seeds[0])
        return [(seed, found) for seed in seeds]
    except SeedsDisagreeError:
        return [(seed, prover.certificate(seed)) for seed in seeds]
