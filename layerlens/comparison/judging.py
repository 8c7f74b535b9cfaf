"""Judge what was observed, and find out whether rounding explains a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerlens.comparison.half_precision import RangeCheck
from layerlens.comparison.rounding import RoundingCheck
from layerlens.numerics.judge import Judgement, as_different, judge
from layerlens.numerics.noise_floor import ROUNDOFF32
from layerlens.scenario.spec import Tolerance


def judge_pair(
    rounding: RoundingCheck, in_range: RangeCheck, tolerance: Tolerance | None
) -> Judgement:
    """Judge; where the float64 outputs differ, find out whether rounding explains that.

    First measure rounding inside the models, then constants that are rounded to float32.
    """
    judgement = _judge_observations(rounding, in_range, tolerance)
    if tolerance is not None:
        return judgement
    if judgement.verdict == "different" and not judgement.near_rounding:
        judgement = _with_inner_rounding(rounding, in_range, judgement)
    if not _may_be_rounding(judgement):
        return judgement
    if rounding.measure_inner_rounding():
        judgement = _judge_observations(rounding, in_range)
        if not _may_be_rounding(judgement):
            return judgement
    if rounding.measure_constants():
        judgement = _judge_observations(rounding, in_range)
        if not _may_be_rounding(judgement):
            return judgement
    if not rounding.float32_residue():
        return judgement
    return _judge_observations(rounding, in_range, residue=True)


def _with_inner_rounding(
    rounding: RoundingCheck, in_range: RangeCheck, judgement: Judgement
) -> Judgement:
    """Measure rounding inside the models for each witness, until a difference remains."""
    while (witness := judgement.witness) is not None and witness.inconsistent is None:
        if not rounding.may_absorb(witness):
            break
        if not rounding.measure_inner_rounding_of(witness.observation):
            break
        judgement = _judge_observations(rounding, in_range)
    return judgement


def within_range(
    in_range: RangeCheck, judgement: Judgement, tolerance: Tolerance | None
) -> Judgement:
    """Return `different` where one model is out of the range of half precision.

    In float64 there is no such difference, and in working precision it would pass for rounding.
    """
    shown = judgement.witness
    if tolerance is not None or (shown is not None and shown.observation.exact):
        return judgement
    found = in_range.find_out_of_range()
    if found is None:
        return judgement
    return as_different(judgement, *found)


def beside_proof(judgement: Judgement) -> Judgement:
    """Return the judgement on a pair that is proved equal in exact arithmetic.

    A difference is real where a model differs from itself, or where a number leaves the range of
    floats, which exact arithmetic does not have. Any other contradicts the proof: either rounding
    was not recognized, or the proof is wrong.
    """
    shown = judgement.witness
    if judgement.verdict != "different" or shown is None or shown.inconsistent is not None:
        return judgement
    seen, k = shown.observation, shown.output
    values = [
        outputs[k][shown.index]
        for outputs in (seen.reference, seen.candidate, seen.reference64, seen.candidate64)
    ]
    if not np.isfinite(np.asarray(values, np.float64)).all():
        return judgement
    probe = seen.batch.name_of(shown.sample)
    reason = (
        "exact arithmetic proves that both are the same function, but they differ in float64 on "
        f"probe `{probe}` by more than was recognized as rounding"
    )
    return replace(
        judgement, verdict="inconclusive", witness=None, only_at_initialization=False, reason=reason
    )


def _may_be_rounding(judgement: Judgement) -> bool:
    return judgement.verdict != "equivalent" and judgement.near_rounding


def _judge_observations(
    rounding: RoundingCheck,
    in_range: RangeCheck,
    tolerance: Tolerance | None = None,
    *,
    residue: bool = False,
) -> Judgement:
    """Judge; a model whose result depends on the way of calling has to do so in float64 too."""
    seen = in_range.observations()
    steady = rounding.examination.any_random()
    coarseness = rounding.examination.observer.unit / ROUNDOFF32
    judgement = judge(
        seen, tolerance=tolerance, residue=residue, steady=steady, coarseness=coarseness
    )
    witness = judgement.witness
    if witness is None or not witness.inconsistent or rounding.confirms(witness):
        return judgement
    return judge(seen, tolerance=tolerance, residue=residue, steady=True, coarseness=coarseness)
