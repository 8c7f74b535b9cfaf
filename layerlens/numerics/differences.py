"""Differences between arrays, and the noise floor they are compared with. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Float = NDArray[np.float64]

#: Unit roundoff of the two precisions: half the distance from 1 to the next number.
UNIT32 = 2.0**-24
UNIT64 = 2.0**-53
#: The same of the dtypes that layers compute in.
UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": UNIT32}
#: By how much the limits that are meant for float64 are too wide in working precision.
COARSE = 2.0**4


@dataclass(frozen=True, slots=True)
class Difference:
    """How two arrays of one shape differ; figures are in the arrays' own units.

    `max_rel` is over elements whose reference is finite and not zero; `max_ulp` counts steps of
    the working precision at the larger of the two values. A NaN or an infinity equals only itself
    and is infinitely far from anything else.
    """

    max_abs: float
    max_rel: float
    max_ulp: float
    mismatched: int
    compared: int


def distance(reference: Array, candidate: Array) -> Float:
    """Return |candidate - reference| per element; infinite where only one is NaN or infinite.

    Values that are not numbers (strings, truth values) are 0 or infinitely far apart.
    """
    if reference.dtype.kind in "OSU" or reference.dtype.kind == "b":
        return np.where(reference == candidate, 0.0, np.inf)
    one, other = reference.astype(np.float64), candidate.astype(np.float64)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(other - one)
    gap = np.where(np.isfinite(gap), gap, np.inf)
    return np.where(same, 0.0, gap)


def differ(reference: Array, candidate: Array, allowed: Float | float) -> Difference:
    """Sum up how two arrays differ; `mismatched` counts elements further apart than `allowed`."""
    gap = distance(reference, candidate)
    if gap.size == 0:
        return Difference(0.0, 0.0, 0.0, 0, 0)
    max_abs = float(gap.max())
    return Difference(
        max_abs=max_abs,
        max_rel=_max_rel(reference, gap),
        max_ulp=_max_ulp(reference, candidate, gap),
        mismatched=int(np.count_nonzero(gap > allowed)),
        compared=int(gap.size),
    )


def _max_rel(reference: Array, gap: Float) -> float:
    if reference.dtype.kind in "OSUb":
        return float(gap.max())
    size = np.abs(reference.astype(np.float64))
    usable = np.isfinite(size) & (size > 0)
    return float((gap[usable] / size[usable]).max()) if usable.any() else float(gap.max())


def _max_ulp(reference: Array, candidate: Array, gap: Float) -> float:
    if reference.dtype.kind != "f":
        return float(gap.max())
    size = np.maximum(np.abs(reference), np.abs(candidate.astype(reference.dtype)))
    usable = np.isfinite(size) & np.isfinite(gap)
    if not usable.all() and np.isinf(gap).any():
        return float("inf")
    step = np.spacing(size[usable]).astype(np.float64)
    return float((gap[usable] / step).max()) if usable.any() else 0.0


def within(reference: Array, candidate: Array, rtol: float, atol: float) -> NDArray[np.bool_]:
    """Tell per element whether |candidate - reference| <= atol + rtol × |reference|."""
    gap = distance(reference, candidate)
    if reference.dtype.kind in "OSUb":
        return np.asarray(gap == 0)
    size = np.abs(reference.astype(np.float64))
    allowed = atol + rtol * np.where(np.isfinite(size), size, 0.0)
    return np.asarray((gap == 0) | (gap <= allowed))


@dataclass(frozen=True, slots=True)
class Noise:
    """Per element, the difference that rounding alone may leave in each precision.

    `float64` is by the element's own scale, `ground` by the greatest scale in the sample, of what
    may have been added and taken away again on the way; `pooled` by the greatest working-precision
    error of all samples, since one sample's own may be small by chance. `constants` is how far the
    float64 outputs move when the numbers in the layers' configurations move by one unit of
    float32, as some layers round them; 0 where that was not needed. `inner` is what moving every
    result inside the models by the unit roundoff leaves; 0 where that was not needed either.
    """

    working: Float
    float64: Float
    ground: Float | float = 0.0
    pooled: float = 0.0
    constants: Float | float = 0.0
    inner: Float | float = 0.0


def noise_floor(
    doubles: Sequence[Array],
    workings: Sequence[Array],
    sensitivities: Sequence[Float],
    input_scale: Float,
    *,
    pooled: bool = False,
) -> Noise:
    """Derive what rounding explains, from the models' own errors.

    Args:
        doubles: outputs in float64, one array for each model, batch axis first.
        workings: the same outputs in working precision.
        sensitivities: how far each float64 output moves when inputs and weights move by a
            relative 1 (measured by a tiny random perturbation, scaled up).
        input_scale: the greatest magnitude among each sample's inputs, shaped to broadcast.
        pooled: samples were chosen for their difference: the greatest amplification among them
            holds for all, as one that errs little in float32 may owe it to chance.

    A backward-stable computation errs by its sensitivity times the unit roundoff. How many times
    that, here, is measured: the amplification of a sample is its greatest working-precision error
    over `UNIT32 × (sensitivity + |value|)`. The same amplification then holds for float64, whose
    unit is 2^29 times smaller. Each element keeps its own scale, down to a ground: the rounding of
    numbers as large as the sample's inputs, or as 1, which layers add and subtract inside (ELU
    computes exp(x) - 1, so that it errs by the unit roundoff however small x is).
    """
    tiny = np.finfo(np.float64).tiny
    shape = doubles[0].shape
    magnitude = np.zeros(shape)
    if any(array.dtype.kind in "OSU" for array in doubles):  # words are not rounded
        return Noise(magnitude, magnitude)
    amplification = np.ones((*shape[:1], *(1 for _ in shape[1:])))
    for double, working, sensitivity in zip(doubles, workings, sensitivities, strict=True):
        value = np.where(np.isfinite(double), np.abs(double.astype(np.float64)), 0.0)
        size = value + np.where(np.isfinite(sensitivity), sensitivity, 0.0)
        magnitude = np.maximum(magnitude, size)
        error = distance(double, working)
        usable = np.isfinite(error) & np.isfinite(sensitivity)
        floor = np.maximum(size, 2.0**-10 * per_sample_max(size)) + tiny
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = np.where(usable, error / (UNIT32 * floor), 0.0)
        amplification = np.maximum(amplification, per_sample_max(ratio))
    ground = np.maximum(per_sample_max(magnitude), 1.0)
    if doubles[0].dtype.kind == "f":  # counts and classes are not rounded to their inputs' scale
        ground = np.maximum(ground, input_scale)
    errors = [distance(*pair) for pair in zip(doubles, workings, strict=True)]
    lift = max(float(e[np.isfinite(e)].max(initial=0.0)) for e in errors) / UNIT32
    if pooled and magnitude.size:
        amplification = np.maximum(amplification, amplification.max())
        ground = np.maximum(ground, lift)
    return Noise(
        working=UNIT32 * (amplification * magnitude + ground),
        float64=UNIT64 * (amplification * magnitude),
        ground=UNIT64 * ground,
        pooled=UNIT64 * lift,
    )


def input_scale(inputs: Sequence[Array], output: Array) -> NDArray[np.float64]:
    """Return each sample's greatest input magnitude, shaped to stand beside an output."""
    scale = np.zeros(len(inputs[0]))
    for array in inputs:
        if array.dtype.kind in "fiu":
            flat = np.abs(array.astype(np.float64)).reshape(len(array), -1)
            scale = np.maximum(scale, flat.max(axis=1) if flat.shape[1] else 0.0)
    if output.ndim == 0 or len(output) != len(scale):  # a slice may have taken the batch away
        return np.asarray(scale.max(initial=0.0))
    return scale.reshape(len(scale), *(1 for _ in output.shape[1:]))


def coarse(noise: Noise, unit: float = UNIT32) -> Noise:
    """Return the floor for models of which one has no float64 form.

    Only working precision is there to tell of rounding, so that the gap to decide in is narrow:
    more pairs are left undecided. `unit` is the unit roundoff of the coarser model.
    """
    working = noise.working * (unit / UNIT32)
    return replace(noise, working=working, float64=working / COARSE, ground=0.0)


def with_inner(noise: Noise, moved: Sequence[Float], unit: float) -> Noise:
    """Add what rounding inside the models leaves, as it was drawn: `moved` per relative change.

    A draw may be small at one element by chance: so it is at least a share of its sample's.
    """
    if not moved:
        return noise
    total = np.sum(moved, axis=0)
    finite = np.where(np.isfinite(total), total, 0.0)
    return replace(noise, inner=unit * np.maximum(total, 2.0**-10 * per_sample_max(finite)))


def by_own_scale(noise: Noise, outputs: Sequence[Array], input_scale: Float) -> Noise:
    """Return the floor for numbers so small that 1, which layers may add inside, would hide them.

    What is added inside has to be measured instead: see `with_inner`.
    """
    size = np.max([np.abs(np.where(np.isfinite(one), one, 0.0)) for one in outputs], axis=0)
    return replace(noise, ground=UNIT64 * np.maximum(per_sample_max(size), input_scale))


def per_sample_max(array: Float) -> Float:
    """Return the greatest value of each sample, shaped to stand beside the array."""
    if array.ndim <= 1:
        return array
    axes = tuple(range(1, array.ndim))
    return array.max(axis=axes, keepdims=True) if array.size else array


def first_index(flags: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the index of the first true element in row-major order."""
    return tuple(int(n) for n in np.unravel_index(int(np.argmax(flags)), flags.shape))


def as_plain(value: Any) -> Any:
    """Return an array or scalar as nested lists of plain Python values."""
    plain = np.asarray(value).tolist()
    return plain.decode() if isinstance(plain, bytes) else plain
