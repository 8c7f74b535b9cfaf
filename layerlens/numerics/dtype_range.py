"""Find outputs at which a model is out of the range of its dtype. NumPy alone.

Overflow and underflow in half precision are not rounding: a difference that the range of one model
alone causes is real. In float32 it is reported besides the verdict and does not change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, greatest_index, per_sample_max
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import Witness
from layerlens.numerics.noise_floor import ROUNDOFFS
from layerlens.numerics.observation import Observation

#: The dtypes of half precision, with the least (normal) and the greatest number of each.
HALF = {"float16": (2.0**-14, 65504.0), "bfloat16": (2.0**-126, 3.3895314e38)}
#: Inputs up to this are of ordinary size.
ORDINARY_SIZE = 1e4
#: Kinds of weights of ordinary size.
ORDINARY_WEIGHTS = ("initial", "drawn", "gentle")
#: A difference of more than this many times the rounding in half precision is suspicious.
SUSPECT_FACTOR = 2.0**6
#: The name of the probe with the user's own data, which counts whatever its size.
USER_PROBE = "values"


@dataclass(frozen=True, slots=True)
class RangeSuspect:
    """An element of an output that may be out of the range of half precision.

    `certain` is true where an output is infinite or NaN.
    """

    witness: Witness
    certain: bool


def range_suspects(
    observation: Observation,
    dtypes: Sequence[str],
    inner: Sequence[NDArray[np.float64]] | None,
) -> Iterator[RangeSuspect]:
    """Yield, per output, the element furthest beyond rounding, of a pair that agrees in float64.

    Args:
        observation: the pair on one batch of probes.
        dtypes: the narrowest dtype that the reference computes in, and the candidate's.
        inner: per output, in its shape, the absolute change for a relative change of 1 of the
            inputs, the weights and every result inside. Without it only infinities and NaN count.
    """
    narrowest = _narrowest(dtypes)
    if narrowest not in HALF or observation.weights not in ORDINARY_WEIGHTS:
        return
    for k in range(len(observation.noise)):
        pair = observation.reference[k], observation.candidate[k]
        outputs64 = observation.reference64[k], observation.candidate64[k]
        if pair[0].dtype.kind != "f":
            continue
        counts = _broadcast(_counting_samples(observation, narrowest), pair[0])
        overflowed = counts & _overflowed(pair, outputs64 if observation.exact else None)
        if overflowed.any():
            yield RangeSuspect(Witness(observation, k, greatest_index(overflowed)), certain=True)
            continue
        if inner is None or not observation.exact:
            continue
        scale = np.max([np.abs(np.where(np.isfinite(d), d, 0.0)) for d in outputs64], axis=0)
        floor = ROUNDOFFS[narrowest] * (inner[k] + per_sample_max(scale))
        difference = distance(*pair)
        suspicious = counts & np.isfinite(difference) & (difference > SUSPECT_FACTOR * floor)
        if suspicious.any():
            ratio = np.where(suspicious, difference / np.maximum(floor, np.finfo("f8").tiny), 0.0)
            yield RangeSuspect(Witness(observation, k, greatest_index(ratio)), certain=False)


def overflows(observations: Sequence[Observation]) -> bool:
    """Return whether just one model overflows on inputs of ordinary size, and not in float64."""
    for seen in observations:
        if seen.weights not in ORDINARY_WEIGHTS or not seen.exact:
            continue
        is_ordinary = _input_sizes(seen) <= ORDINARY_SIZE
        for name, part in zip(seen.batch.names, seen.batch.slices, strict=True):
            if name == USER_PROBE:
                is_ordinary[part] = _input_sizes(seen)[part] <= HALF["float16"][1]
        for k in range(len(seen.noise)):
            pair = seen.reference[k], seen.candidate[k]
            if pair[0].dtype.kind != "f":
                continue
            outputs64 = seen.reference64[k], seen.candidate64[k]
            if (_broadcast(is_ordinary, pair[0]) & _overflowed(pair, outputs64)).any():
                return True
    return False


def out_of_range_text(dtype: str, *, name: str, other: str, values: tuple[float, float]) -> str:
    """Return the sentence that a model left its dtype's range.

    Args:
        dtype: `float16` or `bfloat16`.
        name: the model that left the range.
        other: the model that did not.
        values: the outputs of the two at one element, in this order.
    """
    least, greatest = HALF[dtype]
    return (
        f"`{name}` leaves the range of half precision where `{other}` does not ({dtype} holds "
        f"numbers from {least:.3g} to {greatest:,.6g} in size): {values[0]:.6g} against "
        f"{values[1]:.6g}, which is not rounding"
    )


def without_out_of_range(observation: Observation, dtypes: Sequence[str]) -> Observation:
    """Return an observation without overflow on inputs or weights of extraordinary size.

    Such elements are set to 0 in the working-precision outputs of both models, and in those that
    stand in for float64 where there is no float64 form. The observation itself is returned where
    neither dtype is of half precision.
    """
    narrowest = _narrowest(dtypes)
    if narrowest not in HALF:
        return observation
    counts = _counting_samples(observation, narrowest)
    if observation.weights not in ORDINARY_WEIGHTS:
        counts = np.zeros_like(counts)
    doubles = list(zip(observation.reference64, observation.candidate64, strict=True))
    workings = [
        _without_overflow(pair, counts, outputs64 if observation.exact else None)
        for pair, outputs64 in zip(
            zip(observation.reference, observation.candidate, strict=True), doubles, strict=True
        )
    ]
    if not observation.exact:
        doubles = [_without_overflow(pair, counts, None) for pair in doubles]
    return replace(
        observation,
        reference=tuple(one for one, _ in workings),
        candidate=tuple(other for _, other in workings),
        reference64=tuple(one for one, _ in doubles),
        candidate64=tuple(other for _, other in doubles),
    )


def _without_overflow(
    pair: tuple[Array, Array], counts: NDArray[np.bool_], outputs64: tuple[Array, Array] | None
) -> tuple[Array, Array]:
    """Return two outputs that are 0 where just one overflowed, but for the samples that count."""
    if pair[0].dtype.kind != "f":
        return pair
    overflowed = _overflowed(pair, outputs64) & ~_broadcast(counts, pair[0])
    return np.where(overflowed, 0, pair[0]), np.where(overflowed, 0, pair[1])


def _narrowest(dtypes: Sequence[str]) -> str:
    return max(dtypes, key=lambda dtype: ROUNDOFFS.get(dtype, 0.0))


def _overflowed(
    pair: tuple[Array, Array], outputs64: tuple[Array, Array] | None
) -> NDArray[np.bool_]:
    """Return a mask of where just one of two outputs is finite, and both are finite in float64.

    Without `outputs64` (no float64 form) the second condition is left out.
    """
    overflowed = np.isfinite(pair[0]) != np.isfinite(pair[1])
    if outputs64 is not None:
        overflowed = overflowed & np.isfinite(outputs64[0]) & np.isfinite(outputs64[1])
    return np.asarray(overflowed)


def _counting_samples(observation: Observation, dtype: str) -> NDArray[np.bool_]:
    """Return a mask (batch,) of the samples that count: the user's, and those in range."""
    least, greatest = HALF[dtype]
    counts = np.ones(len(observation.batch.inputs[0]), dtype=bool)
    for array in observation.batch.inputs:
        if array.dtype.kind != "f":
            continue
        size = np.abs(array.astype(np.float64)).reshape(len(array), -1)
        holds = (size == 0) | ((size >= least) & (size <= min(greatest, ORDINARY_SIZE)))
        counts &= holds.all(axis=1)
    for name, part in zip(observation.batch.names, observation.batch.slices, strict=True):
        if name == USER_PROBE:
            counts[part] = True
    return counts


def _input_sizes(observation: Observation) -> NDArray[np.float64]:
    """Return each sample's greatest floating input magnitude, (batch,)."""
    greatest = np.zeros(len(observation.batch.inputs[0]))
    for array in observation.batch.inputs:
        if array.dtype.kind == "f" and array.size:
            size = np.abs(array.astype(np.float64)).reshape(len(array), -1)
            greatest = np.maximum(greatest, size.max(axis=1))
    return greatest


def _broadcast(samples: NDArray[np.bool_], output: Array) -> NDArray[np.bool_]:
    """Broadcast a mask of samples to an output's shape.

    Where `select` removed the batch axis the output counts if all samples do.
    """
    if output.shape[:1] != samples.shape:
        return np.full(output.shape, bool(samples.all()))
    shaped = samples.reshape(-1, *(1 for _ in output.shape[1:]))
    return np.broadcast_to(shaped, output.shape)
