"""Try to prove a pair that differs, under twenty seeds, by the prover alone.

Both models are built and traced once. Each seed draws other primes, inputs, weights and lengths.
"""

from __future__ import annotations

from layerlens.models.build.request import Built
from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import pair_model_weights
from layerlens.proof.certify import Prover
from layerlens.proof.graphs import THEY_DIFFER, Unproved
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario

SEEDS = range(20)


def prove_nothing_of(scenario: Scenario, why: str) -> bool:
    """Assert that the two models of a scenario are not proved equal under any seed.

    Returns False where the prover is never asked: a model is refused, or shapes or weights differ.
    """
    built = Trial(scenario, RunOptions(allow_code=True)).variants.build_all()
    one, other = built[scenario.reference], built[scenario.candidates[0].name]
    if not (isinstance(one, Built) and isinstance(other, Built)):
        return False
    transfer = pair_model_weights(one, other, scenario.transfer)
    if one.report.output_shape != other.report.output_shape or not transfer.complete:
        return False
    training = scenario.modes == ("training",)
    sides = [Side.of(b.spec.name, b, b, training=training, seed=0) for b in (one, other)]
    prover = Prover(sides[0], sides[1], transfer)
    for seed in SEEDS:
        found = prover.certificate(seed)
        assert isinstance(found, Unproved), f"{why}\nseed {seed}: {found}"
        if found.reason != THEY_DIFFER:
            break  # refused: no seed is drawn
    return True
