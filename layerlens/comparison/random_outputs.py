"""The judgement of two models whose outputs are random: by distribution, where streams differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from layerlens.comparison.examination import Examination
from layerlens.comparison.randomness import Draws, Finding, compare_distributions
from layerlens.comparison.rounding import RoundingCheck
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import within
from layerlens.numerics.judge import (
    DISTRIBUTIONS_UNDECIDED,
    FIXED_APART,
    RANDOM_APART,
    ROUNDING,
    SAME_DISTRIBUTION,
    UNREPEATABLE,
    UNREPEATABLE_DIFFERENT,
    Judgement,
    judge,
    ratios,
    rounding_floor,
    widest_gap,
    with_mismatch,
)
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import draw_probes
from layerlens.numerics.weight_values import OVERFLOWING
from layerlens.scenario.spec import Tolerance

#: An element that so many draws leave where it is in either model, at two values, is not random:
#: with equal distributions the chance of that is at most 4^-STILL.
STILL = 32
#: How much larger than plain values inputs are, beside which noise of a fixed size is small.
FAR = (1e3, 30.0)
#: How much smaller, where plain values come out as more than the dtype holds.
NEAR = (1.0, 0.1, 0.01)


def judge_random(
    rounding: RoundingCheck, judgement: Judgement, tolerance: Tolerance | None
) -> tuple[Judgement, bool]:
    """Judge random outputs by their distributions; also what no seed and no state holds still.

    The second value tells whether the verdict rests on distributions.
    """
    examination = rounding.work
    restless = examination.restless()
    both = examination.both_random(restless)
    if both and (any(restless) or judgement.verdict != "equivalent"):
        fixed = of_the_fixed(rounding, tolerance)
        if fixed.verdict == "different":
            return replace(fixed, reason=FIXED_APART), False
        finding = _of_distributions(examination)
        if finding == "alike" and fixed.verdict == "inconclusive":
            return replace(fixed, difference=judgement.difference), True
        if finding == "alike":
            reason = SAME_DISTRIBUTION
            return replace(judgement, verdict="equivalent", witness=None, reason=reason), True
        if finding == "undecided":
            reason = DISTRIBUTIONS_UNDECIDED
            return replace(judgement, verdict="inconclusive", witness=None, reason=reason), True
        if not any(restless) and judgement.witness is None:
            return _apart_anywhere(examination, judgement, RANDOM_APART), False
    if not any(restless):
        return judgement, False
    side = examination.reference if restless[0] else examination.candidate
    reason = UNREPEATABLE_DIFFERENT if both else UNREPEATABLE.format(side.name)
    return _apart_anywhere(examination, judgement, reason), False


def _apart_anywhere(examination: Examination, judgement: Judgement, reason: str) -> Judgement:
    """Return `different`, shown where the outputs happened to be furthest apart."""
    witness = widest_gap(examination.observations)
    if witness is None:  # whatever it changes from call to call, no call was seen to differ
        return replace(judgement, verdict="inconclusive", witness=None, reason=reason)
    counted = with_mismatch(judgement.difference)
    return replace(
        judgement, verdict="different", difference=counted, witness=witness, reason=reason
    )


# --- what is not random ---------------------------------------------------------------------------


def of_the_fixed(rounding: RoundingCheck, tolerance: Tolerance | None) -> Judgement:
    """Judge what no draw moves, as any outputs are judged; random elements are taken out.

    A model with random outputs may have others beside them, as an encoder has a mean.
    """
    examination = rounding.work
    judgement = judge(_fixed(examination, tolerance), tolerance=tolerance, steady=True)
    for measured in (rounding.measure_inner, rounding.measure_constants):
        if tolerance is not None or not judgement.near_rounding:
            break
        if judgement.verdict != "equivalent" and measured():
            judgement = judge(_fixed(examination, None), steady=True)
    return judgement


def _fixed(examination: Examination, tolerance: Tolerance | None) -> list[Observation]:
    """Return the observations with equal values wherever a draw moves one of them."""
    known: dict[tuple[str, int], Sequence[Flags]] = {}
    made = []
    for seen in examination.observations:
        if seen.weights in OVERFLOWING:
            continue
        key = (seen.weights, id(seen.batch))
        if key not in known:
            unlike = [_unlike(seen, output, tolerance) for output in range(len(seen.noise))]
            known[key] = _unmoved(examination, seen, unlike)
        made.append(
            replace(
                seen,
                candidate=_taken_where(known[key], seen.candidate, seen.reference),
                candidate64=_taken_where(known[key], seen.candidate64, seen.reference64),
            )
        )
    return made


Flags = NDArray[np.bool_]


def _taken_where(
    flags: Sequence[Flags], values: Sequence[Array], others: Sequence[Array]
) -> tuple[Array, ...]:
    return tuple(map(np.where, flags, values, others))


def _unlike(seen: Observation, output: int, tolerance: Tolerance | None) -> Flags:
    """Tell where two outputs differ by more than rounding is sure to leave."""
    doubles = seen.reference64[output], seen.candidate64[output]
    if tolerance is not None:
        return np.asarray(~within(*doubles, tolerance.rtol, tolerance.atol))
    return np.asarray(ratios(*doubles, rounding_floor(seen.noise[output])) > ROUNDING)


def _unmoved(
    examination: Examination, seen: Observation, flags: Sequence[Flags]
) -> Sequence[Flags]:
    """Leave of the flagged elements those that STILL further draws of neither model move."""
    weights = examination.weights_of(seen)
    sides: tuple[tuple[Side, Values, tuple[Array, ...]], ...] = (
        (examination.reference, weights.reference, seen.reference64),
        (examination.candidate, weights.candidate, seen.candidate64),
    )
    for draw in range(1, STILL + 1):
        if not any(part.any() for part in flags):
            break
        for side, values, base in sides:
            seed = examination.seed + draw
            again = side.run(values, seen.batch.inputs, "float64", "traced_dynamic", seed=seed)
            if again.error is not None or again.shapes != tuple(array.shape for array in base):
                return [np.zeros_like(part) for part in flags]
            flags = [
                part & _is_same(before, after, noise)
                for part, before, after, noise in zip(
                    flags, base, again.outputs, seen.noise, strict=True
                )
            ]
    return flags


def _is_same(before: Array, after: Array, noise: NoiseFloor) -> Flags:
    """Tell per element whether two calls agree but for rounding."""
    return np.asarray(ratios(before, after, rounding_floor(noise)) <= ROUNDING)


# --- what is --------------------------------------------------------------------------------------


def _of_distributions(examination: Examination) -> Finding:
    """Compare on several batches; the first on which the distributions are apart decides."""
    undecided = False
    for draws in _batches(examination):
        finding = compare_distributions(draws)
        if finding == "apart":
            return "apart"
        undecided = undecided or finding == "undecided"
    return "undecided" if undecided else "alike"


def _batches(examination: Examination) -> Iterator[Draws]:
    """Yield batches to draw from: plain values, one sample of every kind, and plain ones far off.

    Of far ones those are taken, and where plain values overflow of smaller ones as well, for which
    both models give finite numbers: what overflows shows nothing of what is drawn.
    """
    plain = _drawn(examination, examination.generic_inputs())
    yield plain
    if not plain.is_finite():
        yield from _first_finite(examination, NEAR[1:])
    yield _drawn(examination, _one_of_each(examination))
    if any(domain.kind == "float" for domain in examination.domains):
        yield from _first_finite(examination, FAR)


def _first_finite(examination: Examination, factors: Sequence[float]) -> Iterator[Draws]:
    for factor in factors:
        draws = _drawn(examination, examination.scaled_inputs(factor))
        if draws.is_finite():
            yield draws
            return


def _drawn(examination: Examination, inputs: Sequence[Array]) -> Draws:
    return Draws(
        examination.reference,
        examination.candidate,
        examination.main_values(),
        inputs,
        examination.seed,
    )


def _one_of_each(examination: Examination) -> list[Array]:
    """Return the first sample of every kind of probe."""
    probes = draw_probes(
        examination.domains, examination.seed, samples=1, constants=examination.constants
    )
    return [np.concatenate(arrays) for arrays in zip(*(p.inputs for p in probes), strict=True)]
