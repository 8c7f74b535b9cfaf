"""Judge the evidence: equivalent, different or inconclusive, and why. NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import Difference, difference_between, distance, within
from layerlens.numerics.noise_floor import ROUNDOFF32, ROUNDOFF64, NoiseFloor
from layerlens.numerics.observation import Observation
from layerlens.report.pairs import ProbeRow, Rounding
from layerlens.scenario.spec import Tolerance
from layerlens.vocabulary import Verdict

# Reasons of a judgement on random outputs.
#: A model that draws from streams nobody seeds, or that keeps count of its calls.
UNREPEATABLE = "`{}` gives another result each time it is called, with the same seeds and states"
UNREPEATABLE_DIFFERENT = (
    "both give another result each time they are called, and these differ in distribution"
)
SAME_DISTRIBUTION = (
    "their outputs are random and the streams cannot be lined up, but no statistic of their "
    "distributions was found to differ"
)

DISTRIBUTIONS_UNDECIDED = (
    "their outputs are random and the streams cannot be lined up; a statistic of their "
    "distributions differs by more than chance makes likely, and by less than would settle it"
)
FIXED_APART = "what differs is not random: no draw of either model moves it"
RANDOM_APART = "their outputs are random, and differ in distribution"

#: A float64 difference up to this many times the noise floor is rounding. The two precisions lie
#: 2^29 apart, so the limits can be far from either: here by 2^9, at REAL by 2^20.
ROUNDING = 2.0**9
#: From here on, a float64 difference cannot be rounding.
REAL = 2.0**20
#: The same against the greatest scale of the sample: an element of its own scale may be far below.
GROUND_REAL = 2.0**12
#: The same against what rounding inside the models was seen to leave: no estimate, but drawn.
INNER_REAL = 2.0**12
#: The same limits against the working-precision floor: for how a way of calling may differ, and
#: for models with constants that are rounded to float32 whatever the policy says.
WORKING_ROUNDING = 2.0**7
RESIDUE_ROUNDING = 2.0**3
RESIDUE_REAL = 2.0**6
#: A way of calling that strays less than this share in float64 of what it does in working precision
#: only rounds otherwise: halfway, on a scale of powers, between the two precisions.
STRAYS = 2.0**-14
#: How many units of float32 in the configurations' numbers a difference may be put down to, and
#: from how many on it may not.
CONSTANT_ROUNDING = 3.0
#: A difference this many times the working-precision floor is beyond what constants can explain.
NEAR_ROUNDING = 2.0**16
CONSTANT_REAL = 6.0


@dataclass(frozen=True, slots=True)
class Witness:
    """One place where the two really differ: which observation, which output, which element."""

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
        """The sample of the batch; the first where a slice hides which it was."""
        output = self.observation.reference[self.output]
        samples = len(self.observation.batch.inputs[0])
        return self.index[0] if output.shape[:1] == (samples,) else 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """`ratio` is the greatest float64 difference in units of its noise floor.

    A `different` has a witness at which the two are unequal, and counts at least that element.
    """

    verdict: Verdict
    difference: Difference | None
    rounding: Rounding
    probes: tuple[ProbeRow, ...]
    witness: Witness | None = None
    only_at_initialization: bool = False
    ratio: float = 0.0
    reason: str = ""
    #: True where float32 constants made the working-precision floor the measure.
    residue: bool = False
    #: True where working precision hardly shows the difference, so that constants rounded to
    #: float32 might be all there is to it.
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
) -> Judgement:
    """Judge what was observed.

    A float64 difference within ROUNDING of its noise floor is rounding, one beyond REAL is a
    difference, and what lies between decides nothing, unless `residue` tells that constants were
    rounded to float32: then the working-precision floor is the measure. With a `tolerance` the
    working-precision difference is held against that instead. With `steady` a model's own results
    in different executions are not held against each other: they were found to agree, or are
    random with another stream in each precision.
    """
    compared = sum(array.size for o in observations for array in o.reference)
    summary = _summary(observations, tolerance, residue)
    rounding = _rounding(observations)
    rows = tuple(_probe_rows(observations))
    if not compared:
        reason = "no output element was compared: the outputs are empty"
        return Judgement("inconclusive", None, rounding, rows, reason=reason)
    witnesses = [_witness(o, tolerance, residue) for o in observations]
    found = [witness for witness in witnesses if witness is not None]
    if found:
        best = max(found, key=_strength)
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
    wayward = None if steady else _inconsistency(observations)
    if wayward is not None:
        counted = with_mismatch(summary)
        return Judgement("different", counted, rounding, rows, wayward)
    ratio = _greatest(observations, rounding_floor)
    if ratio <= ROUNDING:
        return Judgement("equivalent", summary, rounding, rows, ratio=ratio)
    if residue and _greatest(observations, _float32_floor) <= RESIDUE_ROUNDING:
        reason = "constants rounded to float32 explain what is left in float64"
        return Judgement("equivalent", summary, rounding, rows, ratio=ratio, reason=reason)
    reason = (
        f"in float64 the outputs differ by up to {ratio:,.0f} times what rounding was measured to "
        f"leave: too much to be rounding for sure (up to {ROUNDING:,.0f}) and too little to be "
        f"a difference for sure (from {REAL:,.0f})"
    )
    return Judgement(
        "inconclusive", summary, rounding, rows, ratio=ratio, reason=reason, near_rounding=True
    )


# --- one observation ------------------------------------------------------------------------------


def real_elements(
    reference: Array, candidate: Array, noise: NoiseFloor, *, residue: bool
) -> NDArray[np.bool_]:
    """Tell per element of two float64 outputs whether they differ beyond any rounding."""
    gap = distance(reference, candidate)
    if residue:
        return gap > RESIDUE_REAL * noise.working
    own = REAL * noise.float64 + GROUND_REAL * noise.ground + INNER_REAL * noise.inner
    return np.asarray(gap > own + CONSTANT_REAL * noise.constants)


def changes_with_execution(
    double: Array, double_again: Array, working: Array, noise: NoiseFloor
) -> NDArray[np.bool_]:
    """Tell per element whether another way of calling changes a result in either precision.

    `double` is the float64 result, `double_again` and `working` are of the other way of calling.
    A graph may leave out what rounds (a shift there and back), so that the noise measured in it
    says little: what shrinks with the precision is rounding all the same. That is measured over
    the batch, in units of each sample's scale: small numbers may round to 0, and so by little.
    """
    own, strayed = distance(double, double_again), distance(double, working)
    scale = np.broadcast_to(noise.ground, own.shape)
    finite = np.isfinite(strayed) & (scale > 0)
    most = float((strayed[finite] / scale[finite]).max(initial=0.0))
    shrunk = own <= STRAYS * most * scale
    return real_elements(double, double_again, noise, residue=False) & ~shrunk


def rounding_floor(noise: NoiseFloor) -> NDArray[np.float64]:
    """Return the floor in whose units ROUNDING is the limit, rounded constants included."""
    return np.asarray(
        noise.float64
        + noise.ground
        + noise.pooled
        + noise.inner
        + (CONSTANT_ROUNDING / ROUNDING) * noise.constants
    )


def ratios(reference: Array, candidate: Array, floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences in units of the noise floor; 0 where both vanish."""
    gap = distance(reference, candidate)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = gap / floor
    return np.where(gap == 0, 0.0, ratio)


def _witness(
    observation: Observation, tolerance: Tolerance | None, residue: bool
) -> Witness | None:
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
            index = np.unravel_index(int(np.argmax(size)), size.shape)
            best = Witness(observation, output, tuple(int(n) for n in index))
    return best


def widest_gap(observations: Sequence[Observation]) -> Witness | None:
    """Return the place where two outputs happen to be furthest apart in working precision."""
    best: Witness | None = None
    highest = 0.0
    for observation in observations:
        pairs = zip(observation.reference, observation.candidate, strict=True)
        for output, (reference, candidate) in enumerate(pairs):
            gap = distance(reference, candidate)
            if gap.size and gap.max() > highest:
                highest = float(gap.max())
                index = np.unravel_index(int(np.argmax(gap)), gap.shape)
                best = Witness(observation, output, tuple(int(n) for n in index))
    return best


def _strength(witness: Witness) -> tuple[bool, float]:
    """Prefer a difference that working precision shows plainly, then the greater one."""
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
    """Return a place where the way of calling changes a result beyond rounding.

    The same batch and weights were run in float64 and in each execution: whatever execution
    strays from the float64 result strays from the others.
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
                # Overflow of a narrow dtype is not a way of calling.
                comparable = np.isfinite(double) & np.isfinite(working)
                strays = comparable & (gap > WORKING_ROUNDING * noise.working)
                if strays.any():
                    index = np.unravel_index(int(np.argmax(gap * strays)), gap.shape)
                    return Witness(
                        observation, output, tuple(int(n) for n in index), inconsistent=name
                    )
    return None


# --- all observations -----------------------------------------------------------------------------


def _greatest(
    observations: Sequence[Observation], floor: Callable[[NoiseFloor], NDArray[np.float64]]
) -> float:
    """Return the greatest float64 difference in units of a floor."""
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
    """Tell whether all differences of an observation are within what rounding was seen to leave."""
    real = (_real(observation, k, residue=False) for k in range(len(observation.noise)))
    return _greatest([observation], rounding_floor) <= ROUNDING and not any(
        one.any() for one in real
    )


def _working_floor(noise: NoiseFloor) -> NDArray[np.float64]:
    return noise.working


def _float32_floor(noise: NoiseFloor) -> NDArray[np.float64]:
    """Return what computing in float32 may leave, by the element's own scale.

    Of the sample's scale it is only a part, as that would hide small outputs whole.
    """
    return np.asarray((ROUNDOFF32 / ROUNDOFF64) * (noise.float64 + noise.ground / 2.0))


def allowed_gap(
    observation: Observation, output: int, tolerance: Tolerance | None
) -> NDArray[np.float64]:
    """Return how far apart elements may be in working precision before they count as unequal."""
    if tolerance is None:
        return WORKING_ROUNDING * observation.noise[output].working
    reference = observation.reference[output]
    size = np.abs(reference.astype(np.float64)) if reference.dtype.kind in "fiu" else 0.0
    return np.asarray(tolerance.atol + tolerance.rtol * size)


def _summary(
    observations: Sequence[Observation], tolerance: Tolerance | None, residue: bool
) -> Difference | None:
    """Sum up the differences in working precision.

    An element mismatches where that is beyond what rounding explains, or where float64 shows a real
    difference, which may be too small for working precision alone to tell it from rounding.
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
    """Count the one element that a model gives otherwise when it is called in another way.

    There the two models may agree with each other.
    """
    if difference is None or difference.mismatched:
        return difference
    return replace(difference, mismatched=1)


def join_differences(parts: Sequence[Difference]) -> Difference | None:
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
    """Sum up what rounding explains, and what is left of the difference in float64."""
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


def _probe_rows(observations: Sequence[Observation]) -> Iterator[ProbeRow]:
    """Yield a row per probe and execution: the greatest over the kinds of weights."""
    rows: dict[tuple[str, str], ProbeRow] = {}
    for observation in observations:
        whole = len(observation.batch.inputs[0])
        for name, part in zip(observation.batch.names, observation.batch.slices, strict=True):
            for output, reference in enumerate(observation.reference):
                own = part if reference.ndim and len(reference) == whole else slice(None)
                found = difference_between(
                    _of(own, reference), _of(own, observation.candidate[output]), allowed=0.0
                )
                if not found.compared:
                    continue
                key = (name, observation.execution)
                row = ProbeRow(
                    name,
                    observation.execution,
                    found.max_abs,
                    found.max_rel,
                    float(_of(own, observation.noise[output].working).max()),
                    _float64_max_abs(observation, output, own),
                )
                rows[key] = _greater(rows[key], row) if key in rows else row
    yield from rows.values()


def _of(part: slice, output: NDArray[Any]) -> NDArray[Any]:
    return output[part] if output.ndim else output


def _float64_max_abs(observation: Observation, output: int, part: slice) -> float | None:
    if not observation.exact:
        return None
    doubles = observation.reference64[output], observation.candidate64[output]
    return float(distance(_of(part, doubles[0]), _of(part, doubles[1])).max())


def _greater(one: ProbeRow, other: ProbeRow) -> ProbeRow:
    left = [n for n in (one.float64_max_abs, other.float64_max_abs) if n is not None]
    return ProbeRow(
        one.name,
        one.execution,
        max(one.max_abs or 0.0, other.max_abs or 0.0),
        max(one.max_rel or 0.0, other.max_rel or 0.0),
        max(one.noise or 0.0, other.noise or 0.0),
        max(left, default=None),
    )
