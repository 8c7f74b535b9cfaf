"""Judge two models with random outputs by the distributions of these."""

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

#: An element that differs between the models and does not change in this many draws of either is
#: not random: with equal distributions the chance of that is at most 4^-FIXED_DRAWS.
FIXED_DRAWS = 32
#: Factors for inputs that are much larger than noise of a fixed size.
LARGE_FACTORS = (1e3, 30.0)
#: Factors for inputs where normal values overflow.
SMALL_FACTORS = (1.0, 0.1, 0.01)


def judge_random(
    rounding: RoundingCheck, judgement: Judgement, tolerance: Tolerance | None
) -> tuple[Judgement, bool]:
    """Judge random outputs by their distributions, also those that no seed makes repeatable.

    Returns the judgement, and whether the verdict rests on distributions.
    """
    examination = rounding.examination
    unrepeatable = examination.unrepeatable()
    both = examination.both_random(unrepeatable)
    if both and (any(unrepeatable) or judgement.verdict != "equivalent"):
        fixed = judge_fixed_elements(rounding, tolerance)
        if fixed.verdict == "different":
            return replace(fixed, reason=FIXED_APART), False
        finding = _compare_on_batches(examination)
        if finding == "alike" and fixed.verdict == "inconclusive":
            return replace(fixed, difference=judgement.difference), True
        if finding == "alike":
            reason = SAME_DISTRIBUTION
            return replace(judgement, verdict="equivalent", witness=None, reason=reason), True
        if finding == "undecided":
            reason = DISTRIBUTIONS_UNDECIDED
            return replace(judgement, verdict="inconclusive", witness=None, reason=reason), True
        if not any(unrepeatable) and judgement.witness is None:
            return _different_anywhere(examination, judgement, RANDOM_APART), False
    if not any(unrepeatable):
        return judgement, False
    side = examination.reference if unrepeatable[0] else examination.candidate
    reason = UNREPEATABLE_DIFFERENT if both else UNREPEATABLE.format(side.name)
    return _different_anywhere(examination, judgement, reason), False


def _different_anywhere(examination: Examination, judgement: Judgement, reason: str) -> Judgement:
    """Return `different`, with the place where the observed outputs are furthest apart."""
    witness = widest_gap(examination.observations)
    if witness is None:  # no observed call differs
        return replace(judgement, verdict="inconclusive", witness=None, reason=reason)
    counted = with_mismatch(judgement.difference)
    return replace(
        judgement, verdict="different", difference=counted, witness=witness, reason=reason
    )


# --- elements that are not random -----------------------------------------------------------------


def judge_fixed_elements(rounding: RoundingCheck, tolerance: Tolerance | None) -> Judgement:
    """Judge the elements that are not random, as other outputs are judged.

    A model may have random and fixed outputs, as an encoder returns a sample and a mean.
    """
    examination = rounding.examination
    judgement = judge(
        _with_random_elements_equal(examination, tolerance), tolerance=tolerance, steady=True
    )
    for measured in (rounding.measure_inner_rounding, rounding.measure_constants):
        if tolerance is not None or not judgement.near_rounding:
            break
        if judgement.verdict != "equivalent" and measured():
            judgement = judge(_with_random_elements_equal(examination, None), steady=True)
    return judgement


def _with_random_elements_equal(
    examination: Examination, tolerance: Tolerance | None
) -> list[Observation]:
    """Return the observations with the reference's value in place of each random element."""
    known: dict[tuple[str, int], Sequence[Flags]] = {}
    observations = []
    for seen in examination.observations:
        if seen.weights in OVERFLOWING:
            continue
        key = (seen.weights, id(seen.batch))
        if key not in known:
            different = [
                _clearly_different(seen, output, tolerance) for output in range(len(seen.noise))
            ]
            known[key] = _fixed_elements(examination, seen, different)
        observations.append(
            replace(
                seen,
                candidate=_select(known[key], seen.candidate, seen.reference),
                candidate64=_select(known[key], seen.candidate64, seen.reference64),
            )
        )
    return observations


Flags = NDArray[np.bool_]


def _select(
    flags: Sequence[Flags], values: Sequence[Array], others: Sequence[Array]
) -> tuple[Array, ...]:
    return tuple(map(np.where, flags, values, others))


def _clearly_different(seen: Observation, output: int, tolerance: Tolerance | None) -> Flags:
    """Return where two outputs differ by more than rounding."""
    doubles = seen.reference64[output], seen.candidate64[output]
    if tolerance is not None:
        return np.asarray(~within(*doubles, tolerance.rtol, tolerance.atol))
    return np.asarray(ratios(*doubles, rounding_floor(seen.noise[output])) > ROUNDING)


def _fixed_elements(
    examination: Examination, seen: Observation, flags: Sequence[Flags]
) -> Sequence[Flags]:
    """Return the flagged elements that do not change in FIXED_DRAWS draws of either model."""
    weights = examination.weights_of(seen)
    sides: tuple[tuple[Side, Values, tuple[Array, ...]], ...] = (
        (examination.reference, weights.reference, seen.reference64),
        (examination.candidate, weights.candidate, seen.candidate64),
    )
    for draw in range(1, FIXED_DRAWS + 1):
        if not any(part.any() for part in flags):
            break
        for side, values, base in sides:
            seed = examination.seed + draw
            again = side.run(values, seen.batch.inputs, "float64", "traced_dynamic", seed=seed)
            if again.error is not None or again.shapes != tuple(array.shape for array in base):
                return [np.zeros_like(part) for part in flags]
            flags = [
                part & _is_equal(before, after, noise)
                for part, before, after, noise in zip(
                    flags, base, again.outputs, seen.noise, strict=True
                )
            ]
    return flags


def _is_equal(before: Array, after: Array, noise: NoiseFloor) -> Flags:
    """Return per element whether two calls agree up to rounding."""
    return np.asarray(ratios(before, after, rounding_floor(noise)) <= ROUNDING)


# --- random elements ------------------------------------------------------------------------------


def _compare_on_batches(examination: Examination) -> Finding:
    """Compare on several batches; the first on which the distributions differ decides."""
    undecided = False
    for draws in _batches(examination):
        finding = compare_distributions(draws)
        if finding == "apart":
            return "apart"
        undecided = undecided or finding == "undecided"
    return "undecided" if undecided else "alike"


def _batches(examination: Examination) -> Iterator[Draws]:
    """Yield batches: normal values, one sample of each kind of probe, and large values.

    Smaller values are added where normal ones overflow. Of large and of small values the first
    factor is used for which both models return finite numbers, since infinities hide a draw.
    """
    plain = _draws(examination, examination.generic_inputs())
    yield plain
    if not plain.is_finite():
        yield from _first_finite(examination, SMALL_FACTORS[1:])
    yield _draws(examination, _one_sample_per_probe(examination))
    if any(domain.kind == "float" for domain in examination.domains):
        yield from _first_finite(examination, LARGE_FACTORS)


def _first_finite(examination: Examination, factors: Sequence[float]) -> Iterator[Draws]:
    for factor in factors:
        draws = _draws(examination, examination.scaled_inputs(factor))
        if draws.is_finite():
            yield draws
            return


def _draws(examination: Examination, inputs: Sequence[Array]) -> Draws:
    return Draws(
        examination.reference,
        examination.candidate,
        examination.main_values(),
        inputs,
        examination.seed,
    )


def _one_sample_per_probe(examination: Examination) -> list[Array]:
    """Return the first sample of every kind of probe."""
    probes = draw_probes(
        examination.domains, examination.seed, samples=1, constants=examination.constants
    )
    return [np.concatenate(arrays) for arrays in zip(*(p.inputs for p in probes), strict=True)]
