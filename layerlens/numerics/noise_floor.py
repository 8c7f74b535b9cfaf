"""The noise floor: how far rounding alone may move an output. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, Float, per_sample_max
from layerlens.numerics.differences import distance

#: Unit roundoff of float32 and float64: half the distance from 1 to the next number.
ROUNDOFF32 = 2.0**-24
ROUNDOFF64 = 2.0**-53
#: Unit roundoff of the working dtypes.
ROUNDOFFS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": ROUNDOFF32}
#: The factors by which the limits made for float64 are too wide in working precision alone: with
#: them, rounding is up to 32 units of float32, or up to 4 of half precision.
_COARSE_MARGIN, _HALF_MARGIN = 2.0**4, 2.0**7


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """The absolute difference that rounding alone may leave, per element of one output.

    Arrays have the output's shape or broadcast to it, and its units. All terms but `working` are
    about float64 results.
    """

    #: What rounding may leave in working precision.
    working: Float
    #: By the element's own scale.
    float64: Float
    #: By the greatest scale in the sample: numbers as large may be added and subtracted again.
    ground: Float | float = 0.0
    #: By the greatest working-precision error of all samples: one sample's may be small by chance.
    pooled: float = 0.0
    #: How far outputs move when the numbers in the layers' configurations move by one float32 ULP,
    #: as some layers round them to float32; 0 where not measured.
    constants: Float | float = 0.0
    #: How far outputs move when every result inside the models moves by the unit roundoff; 0 where
    #: not measured.
    inner: Float | float = 0.0


def noise_floor(
    doubles: Sequence[Array],
    workings: Sequence[Array],
    sensitivities: Sequence[Float],
    input_scale: Float,
    *,
    pooled: bool = False,
    unit: float = ROUNDOFF32,
) -> NoiseFloor:
    """Estimate the noise floor of one output from the models' own errors.

    Args:
        doubles: outputs in float64, one array for each model, batch axis first.
        workings: the same outputs in working precision.
        sensitivities: the absolute change of each float64 output for a relative change of 1 of
            inputs and weights (measured by a tiny random perturbation, scaled up).
        input_scale: the greatest magnitude among each sample's inputs, shaped to broadcast.
        pooled: apply the greatest amplification among the samples to all of them, for samples
            that were chosen for their difference: one may err little in float32 by chance.
        unit: the unit roundoff of working precision, if the floor is for working precision alone.

    A backward-stable computation errs by its sensitivity times the unit roundoff. How many times
    that, here, is measured: the amplification of a sample is its greatest working-precision error
    over `unit × (sensitivity + |value|)`. The same amplification then holds for float64, whose
    unit is 2^29 times smaller. Each element keeps its own scale, down to a ground: the rounding of
    numbers as large as the sample's inputs, or as 1, which layers add and subtract inside (ELU
    computes exp(x) - 1, so that it errs by the unit roundoff however small x is).
    """
    tiny = np.finfo(np.float64).tiny
    shape = doubles[0].shape
    magnitude = np.zeros(shape)
    if any(array.dtype.kind in "OSU" for array in doubles):  # strings are not rounded
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
            ratio = np.where(usable, error / (unit * floor), 0.0)
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
        working=unit * (amplification * magnitude + ground),
        float64=ROUNDOFF64 * (amplification * magnitude),
        ground=ROUNDOFF64 * ground,
        pooled=ROUNDOFF64 * lift,
    )


def input_scale(inputs: Sequence[Array], output: Array) -> NDArray[np.float64]:
    """Return each sample's greatest input magnitude, (batch, 1, ...), to broadcast to an output.

    Where the output has no batch axis it is the greatest of all samples, a scalar array.
    """
    scale = np.zeros(len(inputs[0]))
    for array in inputs:
        if array.dtype.kind in "fiu":
            flat = np.abs(array.astype(np.float64)).reshape(len(array), -1)
            scale = np.maximum(scale, flat.max(axis=1) if flat.shape[1] else 0.0)
    if output.ndim == 0 or len(output) != len(scale):  # `select` may have removed the batch axis
        return np.asarray(scale.max(initial=0.0))
    return scale.reshape(len(scale), *(1 for _ in output.shape[1:]))


def floor_without_float64(noise: NoiseFloor, unit: float = ROUNDOFF32) -> NoiseFloor:
    """Return the floor for a pair in which one model has no float64 form.

    Its working precision is judged in place of float64, so that the range between rounding and real
    is narrow and more pairs are left undecided.

    Args:
        noise: the floor, estimated with the same unit.
        unit: the unit roundoff of the coarser model.
    """
    return replace(noise, float64=noise.working / coarse_margin(unit), ground=0.0)


def coarse_margin(unit: float) -> float:
    """Return the factor by which limits made for float64 are too wide in a working precision."""
    return _COARSE_MARGIN if unit <= ROUNDOFF32 else _HALF_MARGIN


def with_sums_in_order(noise: NoiseFloor, terms: int) -> NoiseFloor:
    """Return the floor for a runtime that adds numbers one after another, up to so many.

    Each partial sum is rounded: for n terms, the error is about √(n/2) times that of rounding each
    term once. TensorFlow adds in blocks, which the measured floor shows. Up to 128 terms lie
    within the limits of the judgement.
    """
    times = max(1.0, sqrt(terms / 2) / 8)
    return replace(
        noise,
        working=noise.working * times,
        float64=noise.float64 * times,
        ground=noise.ground * times,
    )


def with_single_rounding(noise: NoiseFloor) -> NoiseFloor:
    """Return the floor whose working-precision term has the measured rounding inside the model.

    For a model whose float32 results are compared with float64 ones of another.
    """
    inside = (ROUNDOFF32 / ROUNDOFF64) * np.asarray(noise.inner)
    return replace(noise, working=np.maximum(noise.working, inside))


def with_inner_rounding(noise: NoiseFloor, moved: Sequence[Float], unit: float) -> NoiseFloor:
    """Return the floor with measured rounding inside the models as its term `inner`.

    `moved` has, for each model, the absolute change of the output for a relative change of 1 of
    every result inside (Monte Carlo arithmetic, Parker 1997); `unit` is the unit roundoff. A draw
    may be small at one element by chance: it counts as at least 2^-10 of its sample's greatest.
    """
    if not moved:
        return noise
    total = np.sum(moved, axis=0)
    finite = np.where(np.isfinite(total), total, 0.0)
    return replace(noise, inner=unit * np.maximum(total, 2.0**-10 * per_sample_max(finite)))


def with_relative_ground(
    noise: NoiseFloor, outputs: Sequence[Array], input_scale: Float
) -> NoiseFloor:
    """Return the floor with a ground of the sample's own scale, and not of at least 1.

    For inputs so small that the rounding of 1, which layers may add inside, would hide them; such
    additions have to be measured (`with_inner_rounding`).
    """
    size = np.max([np.abs(np.where(np.isfinite(one), one, 0.0)) for one in outputs], axis=0)
    return replace(noise, ground=ROUNDOFF64 * np.maximum(per_sample_max(size), input_scale))
