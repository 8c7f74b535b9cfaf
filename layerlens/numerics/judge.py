"""Judge observations of a pair: equivalent, different or inconclusive. NumPy alone.

Every element of every output is looked at in float64, as a multiple of its noise floor: the
difference that rounding alone may leave (`noise_floor.py`). `judge` takes the first that holds:

1. Nothing was compared: inconclusive.
2. An element differs beyond every REAL limit (`real_elements`): different, with that element as
   witness.
3. The scenario gives a tolerance, and step 2, which then uses it instead, found nothing:
   equivalent.
4. A model's working-precision result strays from its own float64 result (`_inconsistency`):
   different.
5. All differences are within the ROUNDING limit: equivalent.
6. What lies between the limits: inconclusive.

The roundoff of float32 and that of float64 are a factor of 2^29 apart. Rounding shrinks by it and a
real difference does not: one as small as float32's rounding is still some 2^29 times the float64
floor, so that both limits have room on either side. `docs/verdicts.md` has the whole method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, greatest_index, per_sample_max
from layerlens.numerics.differences import Difference, difference_between, distance, within
from layerlens.numerics.noise_floor import ROUNDOFF32, ROUNDOFF64, NoiseFloor
from layerlens.numerics.observation import Observation
from layerlens.report.pairs import ProbeRow, Rounding
from layerlens.scenario.spec import Tolerance
from layerlens.vocabulary import Verdict

# Reasons of a judgement on random outputs.
#: A model that draws from unseeded streams, or that keeps count of its calls.
UNREPEATABLE = (
    "`{}` gives a different result each time it is called, with the same seeds and states"
)
UNREPEATABLE_DIFFERENT = (
    "both give a different result each time they are called, and the results differ in distribution"
)
SAME_DISTRIBUTION = (
    "their outputs are random and the streams cannot be aligned, but no statistic of their "
    "distributions differs"
)

DISTRIBUTIONS_UNDECIDED = (
    "their outputs are random and the streams cannot be aligned; a statistic of their "
    "distributions differs by more than chance explains, but by too little to decide"
)
FIXED_APART = "what differs is not random: it is the same in every draw of either model"
RANDOM_APART = "their outputs are random, and differ in distribution"

# Limits, as multiples of a term of the noise floor. A difference up to X_ROUNDING is rounding, one
# above X_REAL is real, and one between the two decides nothing.

#: From this share of a sample's greatest output on, a difference is more than its last digits. An
#: output below the least size may be what underflow left.
HIDDEN = 2.0**-20
LEAST_SIZE = 2.0**-500

#: float64 differences against the whole floor: 2^9 above it, for a floor that came out too low.
ROUNDING = 2.0**9
#: float64 differences against the element's own scale (`NoiseFloor.float64`): 2^9 below the 2^29
#: between the two precisions, for a floor that came out too high.
REAL = 2.0**20
#: float64 differences against the greatest scale of the sample (`NoiseFloor.ground`). Lower than
#: REAL, as an element's own scale may be far below the sample's, and REAL would hide it.
GROUND_REAL = 2.0**12
#: float64 differences against measured rounding inside the models (`NoiseFloor.inner`). Lower than
#: REAL, as the term is a measurement and not an estimate.
INNER_REAL = 2.0**12
#: Working-precision differences against the working-precision floor: of a model from its own
#: float64 result, and where a difference counts as visible in working precision.
WORKING_ROUNDING = 2.0**7
#: float64 differences against what float32 leaves, where a model rounds constants or results to
#: float32 whatever its dtype policy says (`residue`): its float64 results err as float32 does.
RESIDUE_ROUNDING = 2.0**3
RESIDUE_REAL = 2.0**6
#: An execution changes a result by rounding alone where the change in float64 is below this share
#: of the change in working precision: about the geometric mean of 1 and the 2^-29 between the
#: two precisions.
SHRINKS_WITH_PRECISION = 2.0**-14
#: float64 differences in units of what one float32 ULP in the configurations' numbers leaves
#: (`NoiseFloor.constants`): one model may round a number that the other computes from two.
CONSTANT_ROUNDING = 3.0
CONSTANT_REAL = 6.0
#: float64 differences below this many times the working-precision floor are close enough to
#: float32's roundoff that constants rounded to float32 may explain them.
NEAR_ROUNDING = 2.0**16


@dataclass(frozen=True, slots=True)
class Witness:
    """One element at which two models differ: its observation, output and index.

    `index` counts the batch axis, as the observation's arrays do.
    """

    observation: Observation
    output: int
    index: tuple[int, ...]
    #: Set where one model differs from itself between two ways of being called.
    inconsistent: str | None = None

    @property
    def mismatches(self) -> bool:
        """Whether the two values at this place are unequal, in either precision."""
        seen, k = self.observation, self.output
        pairs = [(seen.reference, seen.candidate), (seen.reference64, seen.candidate64)]
        if self.inconsistent == "reference":
            pairs = [(seen.reference64, seen.reference)]
        elif self.inconsistent == "candidate":
            pairs = [(seen.candidate64, seen.candidate)]
        return any(bool(distance(one[k], other[k])[self.index]) for one, other in pairs)

    @property
    def sample(self) -> int:
        """Position of the sample in the batch; 0 where `select` removed the batch axis."""
        output = self.observation.reference[self.output]
        samples = len(self.observation.batch.inputs[0])
        return self.index[0] if output.shape[:1] == (samples,) else 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on a pair, with the figures that it rests on.

    `difference` is in working precision, over all observations; `ratio` is the greatest float64
    difference as a multiple of its noise floor (dimensionless).

    Raises:
        ValueError: the verdict is `different`, and there is no witness at which the two are
            unequal, or `difference` counts no mismatch.
    """

    verdict: Verdict
    difference: Difference | None
    rounding: Rounding
    probes: tuple[ProbeRow, ...]
    witness: Witness | None = None
    only_at_initialization: bool = False
    ratio: float = 0.0
    reason: str = ""
    #: Whether the working-precision floor was the measure, because constants are float32.
    residue: bool = False
    #: Whether the difference is so near the working-precision floor that constants rounded to
    #: float32 may explain all of it.
    near_rounding: bool = False

    def __post_init__(self) -> None:
        if self.verdict != "different":
            return
        if self.witness is None or not self.witness.mismatches:
            raise ValueError("a verdict `different` needs an element at which the two differ")
        if self.difference is None or not self.difference.mismatched:
            raise ValueError("a verdict `different` has to count the element that differs")


def judge(
    observations: Sequence[Observation],
    *,
    tolerance: Tolerance | None = None,
    residue: bool = False,
    steady: bool = False,
    single: bool = False,
    coarseness: float = 1.0,
) -> Judgement:
    """Judge the observations of one pair; see the module's docstring for the order of the rules.

    Args:
        observations: outputs of both models for each batch of probes, set of weights and execution.
        tolerance: replaces the noise floor: working-precision differences are compared with it.
        residue: a model rounds constants to float32 whatever its dtype policy says, so that the
            working-precision floor replaces the float64 one.
        steady: skip the check of each model against itself: its executions are known to agree, or
            are random with another stream in each precision.
        single: one model has float32 results alone, which take the place of its float64 ones; goes
            with `residue`.
        coarseness: the unit roundoff of the coarser model in units of float32. With `residue`, the
            floor has its rounding, which the float64 forms do not have.
    """
    compared = sum(array.size for o in observations for array in o.reference)
    summary = summarized(observations, tolerance, residue)
    rounding = _rounding(observations)
    rows = tuple(probe_rows(observations))
    if not compared:
        reason = "no output element was compared: the outputs are empty"
        return Judgement("inconclusive", None, rounding, rows, reason=reason)
    witnesses = [_witness(o, tolerance, residue) for o in observations]
    found = [witness for witness in witnesses if witness is not None]
    if found:
        best = max(found, key=_clarity)
        return Judgement(
            "different",
            summary,
            rounding,
            rows,
            best,
            only_at_initialization=_only_at_initialization(observations, witnesses),
            residue=residue,
            near_rounding=_greatest(observations, _working_floor) < NEAR_ROUNDING,
        )
    if tolerance is not None:
        return Judgement("equivalent", summary, rounding, rows)
    inconsistent = None if steady else _inconsistency(observations)
    if inconsistent is not None:
        counted = with_mismatch(summary)
        return Judgement("different", counted, rounding, rows, inconsistent)
    ratio = _greatest(observations, rounding_floor)
    if ratio <= ROUNDING:
        return Judgement("equivalent", summary, rounding, rows, ratio=ratio)
    remaining = _greatest(observations, _float32_floor) * coarseness
    if residue and (single or _are_exact(observations)) and remaining <= RESIDUE_ROUNDING:
        reason = "constants rounded to float32 explain the remaining difference in float64"
        if single:
            ratio, reason = _greatest(observations, _working_floor), ""
        return Judgement("equivalent", summary, rounding, rows, ratio=ratio, reason=reason)
    reason = (
        f"in float64 the outputs differ by up to {ratio:,.0f} times the measured rounding: too "
        f"much for rounding (up to {ROUNDING:,.0f}) and too little for a real difference (from "
        f"{REAL:,.0f})"
    )
    if residue:
        ratio, most = remaining, f" (up to {RESIDUE_ROUNDING:,.0f})"
        lacks = "a part of a model computes in its own precision in float64, too"
        if single:
            lacks = "one of the two runtimes has no float64"
        elif not _are_exact(observations):
            ratio, most = _greatest(observations, _working_floor), ""
            lacks = "a model has no float64 form"
        reason = (
            f"the outputs differ by up to {ratio:,.1f} times what rounding in working precision "
            f"may leave: too much for rounding{most} and too little for a real difference (from "
            f"{RESIDUE_REAL:,.0f}), and {lacks}"
        )
    return Judgement(
        "inconclusive", summary, rounding, rows, ratio=ratio, reason=reason, near_rounding=True
    )


# --- one observation ------------------------------------------------------------------------------


def real_elements(
    reference: Array, candidate: Array, noise: NoiseFloor, *, residue: bool
) -> NDArray[np.bool_]:
    """Return a mask of the elements of two float64 outputs that differ beyond any rounding.

    The limits add up, one for each term of the floor; with `residue` the working-precision floor
    is the only one. All arrays have one shape, batch axis first.
    """
    gap = distance(reference, candidate)
    if residue:
        return gap > RESIDUE_REAL * noise.working
    own = REAL * noise.float64 + GROUND_REAL * noise.ground + INNER_REAL * noise.inner
    return np.asarray(gap > own + CONSTANT_REAL * noise.constants)


def changes_with_execution(
    double: Array, double_again: Array, working: Array, noise: NoiseFloor
) -> NDArray[np.bool_]:
    """Return a mask of the elements that another execution changes in either precision.

    A traced graph may leave out operations that round (add a constant, subtract it again), so that
    the noise floor measured in it is too low. A change that shrinks with the precision is rounding
    all the same. The shrinkage is measured over the batch, relative to each sample's scale, as
    small numbers may round to 0 and so by little.

    Args:
        double: the float64 result, batch axis first.
        double_again: the float64 result of the other execution, in the same shape.
        working: the working-precision result of the other execution, in the same shape.
        noise: the floor of that output.
    """
    change64, change = distance(double, double_again), distance(double, working)
    scale = np.broadcast_to(noise.ground, change64.shape)
    usable = np.isfinite(change) & (scale > 0)
    most = float((change[usable] / scale[usable]).max(initial=0.0))
    has_shrunk = change64 <= SHRINKS_WITH_PRECISION * most * scale
    return real_elements(double, double_again, noise, residue=False) & ~has_shrunk


def rounding_floor(noise: NoiseFloor) -> NDArray[np.float64]:
    """Return the whole floor per element, to which ROUNDING applies.

    The term of the constants is scaled so that its own limit, CONSTANT_ROUNDING, is met there.
    """
    return np.asarray(
        noise.float64
        + noise.ground
        + noise.pooled
        + noise.inner
        + (CONSTANT_ROUNDING / ROUNDING) * noise.constants
    )


def ratios(reference: Array, candidate: Array, floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |candidate - reference| / floor per element, 0 where the two are equal."""
    gap = distance(reference, candidate)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = gap / floor
    return np.where(gap == 0, 0.0, ratio)


def _witness(
    observation: Observation, tolerance: Tolerance | None, residue: bool
) -> Witness | None:
    """Return the element with the greatest difference among those that really differ.

    Greatest is relative to the working-precision floor, or absolute with a tolerance.
    """
    best: Witness | None = None
    highest = 0.0
    for output, noise in enumerate(observation.noise):
        reference, candidate = observation.reference[output], observation.candidate[output]
        if tolerance is not None:
            real = ~within(reference, candidate, tolerance.rtol, tolerance.atol)
            size = np.where(real, distance(reference, candidate), 0.0)
        else:
            doubles = observation.reference64[output], observation.candidate64[output]
            real = _real(observation, output, residue)
            size = np.where(real, ratios(*doubles, noise.working), 0.0)
        if real.any() and size.max() > highest:
            highest = float(size.max())
            best = Witness(observation, output, greatest_index(size))
    return best


def widest_gap(observations: Sequence[Observation]) -> Witness | None:
    """Return the element with the greatest absolute difference in working precision.

    None where all elements agree exactly.
    """
    best: Witness | None = None
    highest = 0.0
    for observation in observations:
        pairs = zip(observation.reference, observation.candidate, strict=True)
        for output, (reference, candidate) in enumerate(pairs):
            gap = distance(reference, candidate)
            if gap.size and gap.max() > highest:
                highest = float(gap.max())
                best = Witness(observation, output, greatest_index(gap))
    return best


def _clarity(witness: Witness) -> tuple[bool, float]:
    """Return a sort key: other weights than the initial ones first, then the greater ratio.

    The ratio is to the working-precision floor, capped: beyond 10^9 one is as clear as another.
    """
    observation, k = witness.observation, witness.output
    at = witness.index
    gap = distance(observation.reference[k], observation.candidate[k])[at]
    floor = observation.noise[k].working[at]
    ratio = float(gap / floor) if floor else float("inf") if gap else 0.0
    return (observation.weights != "initial", min(ratio, 1e9))


def _only_at_initialization(
    observations: Sequence[Observation], witnesses: Sequence[Witness | None]
) -> bool:
    initial = [w for o, w in zip(observations, witnesses, strict=True) if o.weights == "initial"]
    other = [w for o, w in zip(observations, witnesses, strict=True) if o.weights != "initial"]
    return bool(initial) and not any(initial) and any(other)


def _inconsistency(observations: Sequence[Observation]) -> Witness | None:
    """Return an element that an execution changes beyond rounding, None without one.

    The same batch and weights were run in float64 and in each execution: an execution that strays
    from the float64 result strays from the other executions too.
    """
    for observation in observations:
        for output, noise in enumerate(observation.noise):
            for name, working, double in (
                ("reference", observation.reference[output], observation.reference64[output]),
                ("candidate", observation.candidate[output], observation.candidate64[output]),
            ):
                if working.dtype.kind != "f":
                    continue
                gap = distance(double, working)
                # Overflow of a narrow dtype is no effect of the execution.
                comparable = np.isfinite(double) & np.isfinite(working)
                strays = comparable & (gap > WORKING_ROUNDING * noise.working)
                if strays.any():
                    index = greatest_index(gap * strays)
                    return Witness(observation, output, index, inconsistent=name)
    return None


# --- all observations -----------------------------------------------------------------------------


def _greatest(
    observations: Sequence[Observation], floor: Callable[[NoiseFloor], NDArray[np.float64]]
) -> float:
    """Return the greatest float64 difference as a multiple of a floor."""
    return max(
        (
            float(ratios(o.reference64[k], o.candidate64[k], floor(noise)).max())
            for o in observations
            for k, noise in enumerate(o.noise)
            if o.reference64[k].size
        ),
        default=0.0,
    )


def is_rounding(observation: Observation) -> bool:
    """Return whether all float64 differences of an observation are within the ROUNDING limit."""
    real = (_real(observation, k, residue=False) for k in range(len(observation.noise)))
    return _greatest([observation], rounding_floor) <= ROUNDING and not any(
        one.any() for one in real
    )


def is_apart(observation: Observation) -> bool:
    """Return whether an element of an observation differs beyond any rounding."""
    return any(
        bool(_real(observation, k, residue=False).any()) for k in range(len(observation.noise))
    )


def is_hidden_by_scale(observation: Observation) -> bool:
    """Return whether outputs differ by much of their own size, and by little beside the inputs.

    A model may divide by 1e30. Only rounding measured inside both models tells such a difference
    from what is left of numbers that cancel.
    """
    return observation.exact and any(
        one.dtype.kind == "f" and bool(_hidden(one, other, noise).any())
        for one, other, noise in zip(
            observation.reference64, observation.candidate64, observation.noise, strict=True
        )
    )


def _hidden(one: Array, other: Array, noise: NoiseFloor) -> NDArray[np.bool_]:
    gap = distance(one, other)
    size = per_sample_max(np.maximum(np.abs(one), np.abs(other)))
    own = np.isfinite(gap) & (gap > HIDDEN * size) & (size > LEAST_SIZE)
    small = gap > REAL * noise.float64
    return np.asarray(own & small & ~real_elements(one, other, noise, residue=False))


def _are_exact(observations: Sequence[Observation]) -> bool:
    return all(observation.exact for observation in observations)


def _working_floor(noise: NoiseFloor) -> NDArray[np.float64]:
    return noise.working


def _float32_floor(noise: NoiseFloor) -> NDArray[np.float64]:
    """Return what computing in float32 may leave.

    The sample's scale counts only half: in full it would hide outputs that are small in a sample.
    """
    return np.asarray((ROUNDOFF32 / ROUNDOFF64) * (noise.float64 + noise.ground / 2.0))


def allowed_gap(
    observation: Observation, output: int, tolerance: Tolerance | None
) -> NDArray[np.float64]:
    """Return the difference in working precision up to which elements count as equal.

    Per element; with a tolerance it is atol + rtol × |reference|.
    """
    if tolerance is None:
        return WORKING_ROUNDING * observation.noise[output].working
    reference = observation.reference[output]
    size = np.abs(reference.astype(np.float64)) if reference.dtype.kind in "fiu" else 0.0
    return np.asarray(tolerance.atol + tolerance.rtol * size)


def summarized(
    observations: Sequence[Observation],
    tolerance: Tolerance | None = None,
    residue: bool = False,
) -> Difference | None:
    """Summarise the differences in working precision over all observations.

    An element mismatches where its difference is beyond rounding in working precision, or real in
    float64: working precision alone may be too coarse to tell that one from rounding.
    """
    parts = []
    for seen in observations:
        for k in range(len(seen.reference)):
            part = difference_between(seen.reference[k], seen.candidate[k], 0.0)
            beyond = distance(seen.reference[k], seen.candidate[k]) > allowed_gap(
                seen, k, tolerance
            )
            if tolerance is None:
                beyond = beyond | _real(seen, k, residue)
            parts.append(replace(part, mismatched=int(np.count_nonzero(beyond))))
    return join_differences(parts)


def _real(observation: Observation, output: int, residue: bool) -> NDArray[np.bool_]:
    doubles = observation.reference64[output], observation.candidate64[output]
    return real_elements(*doubles, observation.noise[output], residue=residue)


def with_mismatch(difference: Difference | None) -> Difference | None:
    """Return a difference with at least one mismatch, for a model that differs from itself.

    There the two models may agree with each other at every element.
    """
    if difference is None or difference.mismatched:
        return difference
    return replace(difference, mismatched=1)


def as_different(judgement: Judgement, witness: Witness, reason: str) -> Judgement:
    """Return a judgement as `different`, for a reason that the differences do not show."""
    return replace(
        judgement,
        verdict="different",
        difference=with_mismatch(judgement.difference),
        witness=witness,
        only_at_initialization=False,
        reason=reason,
    )


def join_differences(parts: Sequence[Difference]) -> Difference | None:
    """Return the greatest figures and the total counts of several differences; None of none."""
    if not parts:
        return None
    return Difference(
        max_abs=max(part.max_abs for part in parts),
        max_rel=max(part.max_rel for part in parts),
        max_ulp=max(part.max_ulp for part in parts),
        mismatched=sum(part.mismatched for part in parts),
        compared=sum(part.compared for part in parts),
    )


def _rounding(observations: Sequence[Observation]) -> Rounding:
    """Return the greatest working-precision floor and the greatest float64 difference."""
    expected = [
        float(noise.working.max()) for o in observations for noise in o.noise if noise.working.size
    ]
    left = [
        float(distance(o.reference64[k], o.candidate64[k]).max())
        for o in observations
        for k in range(len(o.noise))
        if o.reference64[k].size and o.exact
    ]
    return Rounding(max(expected, default=None), max(left, default=None))


def probe_rows(observations: Sequence[Observation]) -> Iterator[ProbeRow]:
    """Yield a row per probe and execution, with the greatest figures over all sets of weights."""
    rows: dict[tuple[str, str], ProbeRow] = {}
    for observation in observations:
        whole = len(observation.batch.inputs[0])
        for name, part in zip(observation.batch.names, observation.batch.slices, strict=True):
            for output, reference in enumerate(observation.reference):
                has_batch = bool(reference.ndim) and len(reference) == whole
                own = part if has_batch else slice(None)
                found = difference_between(
                    _samples(own, reference),
                    _samples(own, observation.candidate[output]),
                    allowed=0.0,
                )
                if not found.compared:
                    continue
                key = (name, observation.execution)
                row = ProbeRow(
                    name,
                    observation.execution,
                    found.max_abs,
                    found.max_rel,
                    float(_samples(own, observation.noise[output].working).max()),
                    _float64_max_abs(observation, output, own),
                )
                rows[key] = _greater_row(rows[key], row) if key in rows else row
    yield from rows.values()


def _samples(part: slice, output: NDArray[Any]) -> NDArray[Any]:
    return output[part] if output.ndim else output


def _float64_max_abs(observation: Observation, output: int, part: slice) -> float | None:
    if not observation.exact:
        return None
    doubles = observation.reference64[output], observation.candidate64[output]
    return float(distance(_samples(part, doubles[0]), _samples(part, doubles[1])).max())


def _greater_row(one: ProbeRow, other: ProbeRow) -> ProbeRow:
    left = [n for n in (one.float64_max_abs, other.float64_max_abs) if n is not None]
    return ProbeRow(
        one.name,
        one.execution,
        max(one.max_abs or 0.0, other.max_abs or 0.0),
        max(one.max_rel or 0.0, other.max_rel or 0.0),
        max(one.noise or 0.0, other.noise or 0.0),
        max(left, default=None),
    )
