"""The noise floor: how far rounding alone may move an output. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, Float, per_sample_max
from layerlens.numerics.differences import distance

#: Unit roundoff of the two precisions: half the distance from 1 to the next number.
ROUNDOFF32 = 2.0**-24
ROUNDOFF64 = 2.0**-53
#: The same of the dtypes that layers compute in.
ROUNDOFFS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": ROUNDOFF32}
#: By how much the limits that are meant for float64 are too wide in working precision.
COARSE_MARGIN = 2.0**4


@dataclass(frozen=True, slots=True)
class NoiseFloor:
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
) -> NoiseFloor:
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
        return NoiseFloor(magnitude, magnitude)
    amplification = np.ones((*shape[:1], *(1 for _ in shape[1:])))
    for double, working, sensitivity in zip(doubles, workings, sensitivities, strict=True):
        value = np.where(np.isfinite(double), np.abs(double.astype(np.float64)), 0.0)
        size = value + np.where(np.isfinite(sensitivity), sensitivity, 0.0)
        magnitude = np.maximum(magnitude, size)
        error = distance(double, working)
        usable = np.isfinite(error) & np.isfinite(sensitivity)
        floor = np.maximum(size, 2.0**-10 * per_sample_max(size)) + tiny
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = np.where(usable, error / (ROUNDOFF32 * floor), 0.0)
        amplification = np.maximum(amplification, per_sample_max(ratio))
    ground = np.maximum(per_sample_max(magnitude), 1.0)
    if doubles[0].dtype.kind == "f":  # counts and classes are not rounded to their inputs' scale
        ground = np.maximum(ground, input_scale)
    errors = [distance(*pair) for pair in zip(doubles, workings, strict=True)]
    lift = max(float(e[np.isfinite(e)].max(initial=0.0)) for e in errors) / ROUNDOFF32
    if pooled and magnitude.size:
        amplification = np.maximum(amplification, amplification.max())
        ground = np.maximum(ground, lift)
    return NoiseFloor(
        working=ROUNDOFF32 * (amplification * magnitude + ground),
        float64=ROUNDOFF64 * (amplification * magnitude),
        ground=ROUNDOFF64 * ground,
        pooled=ROUNDOFF64 * lift,
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


def floor_without_float64(noise: NoiseFloor, unit: float = ROUNDOFF32) -> NoiseFloor:
    """Return the floor for models of which one has no float64 form.

    Only working precision is there to tell of rounding, so that the gap to decide in is narrow:
    more pairs are left undecided. `unit` is the unit roundoff of the coarser model.
    """
    working = noise.working * (unit / ROUNDOFF32)
    return replace(noise, working=working, float64=working / COARSE_MARGIN, ground=0.0)


def with_inner_rounding(noise: NoiseFloor, moved: Sequence[Float], unit: float) -> NoiseFloor:
    """Add what rounding inside the models leaves, as it was drawn: `moved` per relative change.

    A draw may be small at one element by chance: so it is at least a share of its sample's.
    """
    if not moved:
        return noise
    total = np.sum(moved, axis=0)
    finite = np.where(np.isfinite(total), total, 0.0)
    return replace(noise, inner=unit * np.maximum(total, 2.0**-10 * per_sample_max(finite)))


def with_relative_ground(
    noise: NoiseFloor, outputs: Sequence[Array], input_scale: Float
) -> NoiseFloor:
    """Return the floor for numbers so small that 1, which layers may add inside, would hide them.

    What is added inside has to be measured instead: see `with_inner`.
    """
    size = np.max([np.abs(np.where(np.isfinite(one), one, 0.0)) for one in outputs], axis=0)
    return replace(noise, ground=ROUNDOFF64 * np.maximum(per_sample_max(size), input_scale))
