"""Differences beside the output: mask, gradients, state, losses, dtype, non-finite values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.keras_runner import Gradients, KerasRunner
from layerlens.models.execute.side import Precision, Side, Values
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import distance
from layerlens.numerics.noise_floor import ROUNDOFF32
from layerlens.numerics.probes import generator
from layerlens.numerics.weight_transfer import Transfer
from layerlens.vocabulary import AlsoDiffers

#: Relative difference in float64 from which losses, gradients and statistics count as different.
CLEAR = 1e-6
#: The same for losses that can only be added up in working precision.
LOSS_RTOL = 1e-3
#: The same in working precision, for float32: where a model has no float64 form, or gradients have
#: none.
CLEAR_IN_FLOAT32 = 1e-3


def also_differs(
    reference: Side,
    candidate: Side,
    weights: tuple[Values, Values],
    inputs: Sequence[Array],
    padded: Sequence[Array],
    transfer: Transfer,
    *,
    gradients: bool = True,
) -> Iterator[AlsoDiffers]:
    """Yield what differs beside the output values, each told by measuring it.

    `inputs` are generic values, `padded` have whole steps zeroed, where masks show.
    """
    reference.hold(weights[0], "float64")
    candidate.hold(weights[1], "float64")
    sides = (reference, candidate)
    inputs, padded = _fitted(sides, inputs), _fitted(sides, padded)
    if _masks_differ(sides, padded):
        yield "mask"
    if gradients and _gradients_differ(sides, weights, inputs, transfer):
        yield "gradients"
    if _states_differ(sides, weights, inputs, transfer):
        yield "state"
    if _losses_differ(sides, weights, inputs):
        yield "losses"
    if _output_dtypes(reference) != _output_dtypes(candidate):
        yield "dtype"
    for side in sides:
        side.forget()
    if _non_finite_differs(sides, weights, inputs):
        yield "non_finite"


Sides = tuple[Side, Side]


def _may_mask(side: Side) -> bool:
    return any(row.mask_out is not False for row in side.built.report.layers[-1:])


def _fitted(sides: Sides, inputs: Sequence[Array], samples: int | None = None) -> list[Array]:
    """Return inputs of the batch size that one of the models was built for, or of `samples`."""
    bound = next((side for side in sides if side.float64.batch_size is not None), sides[0])
    return bound.float64.fitted(inputs, samples)


def _masks_differ(sides: Sides, padded: Sequence[Array]) -> bool:
    if not any(_may_mask(side) for side in sides):
        return False
    one, other = (side.float64.masks(padded, training=side.training) for side in sides)
    return any(
        (left is None) != (right is None)
        or (left is not None and right is not None and not np.array_equal(left, right))
        for left, right in zip(one, other, strict=True)
    )


def _output_dtypes(side: Side) -> list[str]:
    return [str(tensor.dtype) for tensor in side.built.model.outputs]


def _losses_differ(sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array]) -> bool:
    if not any(_may_lose(side) for side in sides):
        return False
    try:
        one, other = _losses(sides, weights, inputs, "float64")
    except Exception:  # a regulariser that works in float32 alone, as Keras' L1 before 3.15
        one, other = _losses(sides, weights, inputs, "working")
        rtol = max(LOSS_RTOL, _clear_in_working_precision(sides))
        return not np.isclose(one, other, rtol=rtol, atol=0.0, equal_nan=True)
    return _clearly_apart(np.asarray(one), np.asarray(other), _clear(sides))


def _losses(
    sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array], precision: Precision
) -> list[float]:
    found = []
    for side, values in zip(sides, weights, strict=True):
        side.hold(values, precision)
        runner = side.float64 if precision == "float64" else side.working
        found.append(runner.losses(inputs, training=side.training))
    return found


def _may_lose(side: Side) -> bool:
    """Tell whether any layer adds or regularises: a symbolic call leaves its mark on the model."""
    model = side.built.model
    if any(getattr(v, "regularizer", None) is not None for v in side.working.variables):
        return True
    return any(
        getattr(layer, "activity_regularizer", None) is not None
        or type(layer).__name__ == "ActivityRegularization"
        or not type(layer).__module__.startswith("keras.")
        for layer in flat_layers(model)
    )


def _gradients_differ(
    sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array], transfer: Transfer
) -> bool:
    reference, candidate = sides
    if reference.built.spec.select is not None or candidate.built.spec.select is not None:
        return False
    few = _fitted(sides, inputs, 2)
    reference.hold(weights[0], "float64")
    candidate.hold(weights[1], "float64")
    shapes = reference.float64.run(few, "traced_dynamic", training=reference.training)
    if shapes.error is not None:
        return False
    rng = generator(0, "directions")
    directions = [
        rng.standard_normal(output.shape) for output in shapes.outputs if output.dtype.kind == "f"
    ]
    if not directions:
        return False
    clear = _clear(sides)
    one, other = (_gradients(side, weights[k], few, directions) for k, side in enumerate(sides))
    if one is None or other is None:  # some operations have a gradient in float32 only
        clear = _clear_in_working_precision(sides)
        one, other = (
            _gradients(side, weights[k], few, directions, "working") for k, side in enumerate(sides)
        )
    if one is None or other is None:
        return (one is None) != (other is None)
    return any(
        _gradient_apart(left, right, clear) for left, right in zip(one[0], other[0], strict=True)
    ) or any(
        _gradient_apart(one[1][p.reference], other[1][p.candidate], clear)
        for p in transfer.pairings
    )


def _clear(sides: Sides) -> float:
    """Return the relative difference from which figures of two models count as different."""
    return CLEAR if all(side.is_exact for side in sides) else _clear_in_working_precision(sides)


def _clear_in_working_precision(sides: Sides) -> float:
    coarsest = max(side.unit for side in sides)
    return min(0.5, CLEAR_IN_FLOAT32 * coarsest / ROUNDOFF32)


def _gradients(
    side: Side,
    values: Values,
    inputs: Sequence[Array],
    directions: Sequence[NDArray[np.float64]],
    precision: Precision = "float64",
) -> Gradients | None:
    side.hold(values, precision)
    runner = side.runner(precision)
    found = runner.gradients(inputs, directions, training=side.training, seed=0)
    if side.training:
        runner.assign(values)
    return found


def _gradient_apart(one: Array | None, other: Array | None, clear: float) -> bool:
    if one is None or other is None:
        present = one if one is not None else other
        return present is not None and bool(np.any(np.abs(present) > 0))
    if one.size != other.size:
        return True
    return _clearly_apart(one.ravel(), other.ravel(), clear)


def _clearly_apart(one: Array, other: Array, clear: float = CLEAR) -> bool:
    gap = distance(one, other)
    size = max(
        float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
        for a in (np.atleast_1d(one), np.atleast_1d(other))
    )
    return bool((gap > clear * size).any())


def _states_differ(
    sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array], transfer: Transfer
) -> bool:
    """Tell whether a second call, or what a call leaves in the weights, differs."""
    if not any(side.training or _is_stateful(side.float64) for side in sides):
        return False
    clear = _clear(sides)
    firsts, seconds, left = [], [], []
    for side, values in zip(sides, weights, strict=True):
        runner = side.float64
        runner.assign(values)
        first = runner.run(inputs, "traced_dynamic", training=side.training, seed=0)
        firsts.append(side.selected(first))
        left.append(runner.values())
        seconds.append(
            side.selected(runner.run(inputs, "traced_dynamic", training=False, seed=0, reset=False))
        )
        runner.assign(values)
    moved = any(
        _clearly_apart(left[0][p.reference].ravel(), left[1][p.candidate].ravel(), clear)
        for p in transfer.pairings
        if left[0][p.reference].dtype.kind == "f"
    )
    if moved or seconds[0].error or seconds[1].error:
        return moved
    if any(side.training for side in sides):
        return False
    calls = (zip(f.outputs, s.outputs, strict=True) for f, s in zip(firsts, seconds, strict=True))
    return any(
        # What differs at first is no matter of state: only how the second call differs from it.
        _clearly_apart(one[1], one[0] + (other[1] - other[0]), clear)
        for one, other in zip(*calls, strict=True)
        if one[1].shape == other[1].shape and one[1].dtype.kind == "f"
    )


def _is_stateful(runner: KerasRunner) -> bool:
    """Tell whether a call may leave something behind; of others' layers that is to be expected."""
    return any(
        getattr(layer, "stateful", False) or not type(layer).__module__.startswith("keras.")
        for layer in flat_layers(runner.built.model)
    )


def _non_finite_differs(
    sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array]
) -> bool:
    """Tell whether a NaN or an infinity among the inputs comes out in other places."""
    if not any(array.dtype.kind == "f" for array in inputs):
        return False
    for special in (np.nan, np.inf, -np.inf):
        spoiled = []
        for array in inputs:
            copy = array.copy()
            if array.dtype.kind == "f" and array[0].size:
                for row in range(len(copy)):
                    copy[row].reshape(-1)[row % copy[row].size] = special
            spoiled.append(copy)
        one, other = (
            side.run(values, spoiled, "float64", "traced_dynamic", seed=0)
            for side, values in zip(sides, weights, strict=True)
        )
        if bool(one.error) != bool(other.error):
            return True
        for left, right in zip(one.outputs, other.outputs, strict=True):
            comparable = left.dtype.kind == "f" and left.shape == right.shape
            if comparable and not np.array_equal(_pattern(left), _pattern(right)):
                return True
    return False


def _pattern(array: Array) -> Array:
    """Return 0 for finite, 1 and -1 for the infinities, 2 for NaN."""
    values = array.astype(np.float64)
    out = np.zeros(values.shape, dtype=np.int8)
    out[np.isposinf(values)] = 1
    out[np.isneginf(values)] = -1
    out[np.isnan(values)] = 2
    return out
