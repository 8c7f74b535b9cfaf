"""Compare the weights that two models were saved with, and the models with these weights."""

from __future__ import annotations

from dataclasses import replace

from layerlens.comparison.decision import Decision
from layerlens.comparison.pair import Pair
from layerlens.comparison.verdict import beyond_memory, decide
from layerlens.models.build.request import Built, Foreign, Recorded, Refused
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.execute.variables import as_array, weight_variables
from layerlens.numerics import weight_differences as numerics
from layerlens.numerics.arrays import Array
from layerlens.numerics.recording import SAVED
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain import stage
from layerlens.report.pairs import SavedWeights, WeightDifference


def decide_with_weights(pair: Pair) -> Decision:
    """Judge a pair, and compare the saved weights where the scenario says so."""
    decision = decide(pair)
    if pair.scenario.weights != "saved" or not pair.shows or decision.transfer is None:
        return decision
    return replace(decision, saved_weights=_saved_weights(pair, decision.transfer))


def _saved_weights(pair: Pair, transfer: Transfer) -> SavedWeights | None:
    reference, candidate = pair.reference, pair.candidate
    if isinstance(reference, (Refused, Foreign)) or isinstance(candidate, (Refused, Foreign)):
        return None  # the weights of an exported file are not read one by one
    drafts = [one for one in (reference, candidate) if isinstance(one, Built) and not one.allocated]
    if drafts:  # they were not needed for a verdict
        return SavedWeights(transfer.complete, 0)
    differing: tuple[WeightDifference, ...] = ()
    if transfer.complete:
        stage.enter("comparing the saved weights")
        values = [_values(one) for one in (reference, candidate)]
        found = numerics.compare_weights(transfer, *values)
        differing = tuple(map(_row, found.differing))
    compared = len(transfer.pairings) if transfer.complete else 0
    saved = SavedWeights(transfer.complete, compared, differing)
    if transfer.complete and not differing:
        return saved
    with restoring_weights(reference, candidate):
        return _with_verdict(saved, pair)


def _values(model: Built | Recorded) -> list[Array]:
    if isinstance(model, Recorded):
        return list(model.recording.weights[SAVED])
    return [as_array(variable) for variable in weight_variables(model)]


def _row(one: numerics.WeightDifference) -> WeightDifference:
    found = one.difference
    return WeightDifference(
        one.reference,
        one.candidate,
        found.max_abs,
        found.max_rel,
        found.mismatched,
        found.compared,
    )


def _with_verdict(saved: SavedWeights, pair: Pair) -> SavedWeights:
    """Judge the models on their own weights, as a scenario with `transfer: none` does."""
    both = pair.reference, pair.candidate
    built = [one for one in both if isinstance(one, Built)]
    if len(built) == len(both) and beyond_memory(*built) is not None:
        return saved
    scenario = replace(pair.scenario, transfer="none")
    decision = decide(replace(pair, scenario=scenario, shows=False, effort="quick"))
    if decision.cause != "outputs" or decision.judgement is None:
        return saved
    difference = decision.judgement.difference
    return replace(
        saved,
        verdict=decision.verdict,
        max_abs=None if difference is None else difference.max_abs,
    )
