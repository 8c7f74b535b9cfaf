"""Find outputs at which a model left the range of its dtype. NumPy alone.

Overflow and underflow in half precision are no rounding: what differs only because one model left
the range of its dtype is a difference. In float32 it is told beside the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, per_sample_max
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import Witness
from layerlens.numerics.noise_floor import ROUNDOFFS
from layerlens.numerics.observation import Observation

#: The dtypes of half precision, with the least (normal) and the greatest number that each holds.
HALF = {"float16": (2.0**-14, 65504.0), "bfloat16": (2.0**-126, 3.3895314e38)}
#: Inputs up to this are of ordinary size.
ORDINARY = 1e4
#: Kinds of weights of ordinary size.
ORDINARY_WEIGHTS = ("initial", "drawn", "gentle")
#: From so many times what rounding in half precision may leave, a difference asks for a cause.
BEYOND = 2.0**6
#: The name of the probe that holds the user's own data, which count whatever their size.
GIVEN = "values"


@dataclass(frozen=True, slots=True)
class RangeSuspect:
    """A place where half precision may have left its range.

    `certain` is True where an output is not finite.
    """

    witness: Witness
    certain: bool


def range_suspects(
    observation: Observation,
    dtypes: Sequence[str],
    inner: Sequence[NDArray[np.float64]] | None,
) -> Iterator[RangeSuspect]:
    """Yield, per output, the place furthest beyond rounding, of a pair that agrees in float64.

    `dtypes` are the narrowest of the reference and of the candidate. `inner` is how far a relative
    change of inputs, weights and every result inside moves each output; without it only infinities
    and NaN are looked at.
    """
    narrow = _narrowest(dtypes)
    if narrow not in HALF or observation.weights not in ORDINARY_WEIGHTS:
        return
    for k in range(len(observation.noise)):
        pair = observation.reference[k], observation.candidate[k]
        doubles = observation.reference64[k], observation.candidate64[k]
        if pair[0].dtype.kind != "f":
            continue
        counted = _shaped(_counted(observation, narrow), pair[0])
        lost = counted & _lost(pair, doubles if observation.exact else None)
        if lost.any():
            yield RangeSuspect(Witness(observation, k, _place(lost)), certain=True)
            continue
        if inner is None or not observation.exact:
            continue
        scale = np.max([np.abs(np.where(np.isfinite(d), d, 0.0)) for d in doubles], axis=0)
        floor = ROUNDOFFS[narrow] * (inner[k] + per_sample_max(scale))
        gap = distance(*pair)
        beyond = counted & np.isfinite(gap) & (gap > BEYOND * floor)
        if beyond.any():
            ratio = np.where(beyond, gap / np.maximum(floor, np.finfo("f8").tiny), 0.0)
            yield RangeSuspect(Witness(observation, k, _place(ratio)), certain=False)


def overflows(observations: Sequence[Observation]) -> bool:
    """Tell whether one model alone is not finite, on inputs of ordinary size, where float64 is."""
    for seen in observations:
        if seen.weights not in ORDINARY_WEIGHTS or not seen.exact:
            continue
        usual = _sizes(seen) <= ORDINARY
        for name, part in zip(seen.batch.names, seen.batch.slices, strict=True):
            if name == GIVEN:
                usual[part] = _sizes(seen)[part] <= HALF["float16"][1]
        for k in range(len(seen.noise)):
            pair = seen.reference[k], seen.candidate[k]
            if pair[0].dtype.kind != "f":
                continue
            doubles = seen.reference64[k], seen.candidate64[k]
            if (_shaped(usual, pair[0]) & _lost(pair, doubles)).any():
                return True
    return False


def out_of_range_text(dtype: str, *, name: str, other: str, values: tuple[float, float]) -> str:
    """Say that a model left the range of its dtype; `values` are its own and the other's."""
    least, greatest = HALF[dtype]
    return (
        f"`{name}` leaves the range of half precision where `{other}` does not ({dtype} holds "
        f"numbers from {least:.3g} to {greatest:,.6g} in size): {values[0]:.6g} against "
        f"{values[1]:.6g}, which is no rounding"
    )


def without_out_of_range(observation: Observation, dtypes: Sequence[str]) -> Observation:
    """Leave out the outputs that half precision cannot hold on inputs or weights that do not count.

    They are put to 0 in working precision: they say nothing about inputs of ordinary size.
    """
    narrow = _narrowest(dtypes)
    if narrow not in HALF:
        return observation
    ours, theirs = [], []
    counts = observation.weights in ORDINARY_WEIGHTS
    for k, pair in enumerate(zip(observation.reference, observation.candidate, strict=True)):
        if pair[0].dtype.kind == "f":
            doubles = observation.reference64[k], observation.candidate64[k]
            lost = _lost(pair, doubles if observation.exact else None)
            lost = lost & ~_shaped(_counted(observation, narrow) & counts, pair[0])
            pair = (np.where(lost, 0, pair[0]), np.where(lost, 0, pair[1]))
        ours.append(pair[0])
        theirs.append(pair[1])
    return replace(observation, reference=tuple(ours), candidate=tuple(theirs))


def _narrowest(dtypes: Sequence[str]) -> str:
    return max(dtypes, key=lambda dtype: ROUNDOFFS.get(dtype, 0.0))


def _lost(pair: tuple[Array, Array], doubles: tuple[Array, Array] | None) -> NDArray[np.bool_]:
    """Tell where just one of two outputs is finite, and both are in float64, if that was run."""
    lost = np.isfinite(pair[0]) != np.isfinite(pair[1])
    if doubles is not None:
        lost = lost & np.isfinite(doubles[0]) & np.isfinite(doubles[1])
    return np.asarray(lost)


def _counted(observation: Observation, dtype: str) -> NDArray[np.bool_]:
    """Tell which samples count: the user's own, and those that the dtype itself can hold."""
    least, greatest = HALF[dtype]
    counted = np.ones(len(observation.batch.inputs[0]), dtype=bool)
    for array in observation.batch.inputs:
        if array.dtype.kind != "f":
            continue
        size = np.abs(array.astype(np.float64)).reshape(len(array), -1)
        holds = (size == 0) | ((size >= least) & (size <= min(greatest, ORDINARY)))
        counted &= holds.all(axis=1)
    for name, part in zip(observation.batch.names, observation.batch.slices, strict=True):
        if name == GIVEN:
            counted[part] = True
    return counted


def _sizes(observation: Observation) -> NDArray[np.float64]:
    """Return each sample's greatest input."""
    greatest = np.zeros(len(observation.batch.inputs[0]))
    for array in observation.batch.inputs:
        if array.dtype.kind == "f" and array.size:
            size = np.abs(array.astype(np.float64)).reshape(len(array), -1)
            greatest = np.maximum(greatest, size.max(axis=1))
    return greatest


def _shaped(samples: NDArray[np.bool_], output: Array) -> NDArray[np.bool_]:
    """Return which samples count, shaped as an output; all where a slice hides the samples."""
    if output.shape[:1] != samples.shape:
        return np.full(output.shape, bool(samples.all()))
    shaped = samples.reshape(-1, *(1 for _ in output.shape[1:]))
    return np.broadcast_to(shaped, output.shape)


def _place(values: NDArray[np.generic]) -> tuple[int, ...]:
    return tuple(int(n) for n in np.unravel_index(int(np.argmax(values)), values.shape))
