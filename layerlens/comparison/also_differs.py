"""Differences besides the output: mask, gradients, state, losses, dtype, non-finite values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.gradients import Gradients
from layerlens.models.execute.runner import Runner
from layerlens.models.execute.side import Precision, Side, Values
from layerlens.numerics.arrays import Array, in_blocks
from layerlens.numerics.differences import distance
from layerlens.numerics.noise_floor import ROUNDOFF32
from layerlens.numerics.probes import generator
from layerlens.numerics.weight_transfer import Pairing, Transfer
from layerlens.plain import stage
from layerlens.vocabulary import AlsoDiffers

#: Relative difference in float64 from which losses, gradients and statistics count as different.
RTOL_FLOAT64 = 1e-6
#: The same for losses that can only be computed in working precision.
LOSS_RTOL = 1e-3
#: The same for figures computed in float32: where a model or a gradient has no float64 form.
RTOL_FLOAT32 = 1e-3


def also_differs(
    reference: Side,
    candidate: Side,
    weights: tuple[Values, Values],
    inputs: Sequence[Array],
    padded: Sequence[Array],
    transfer: Transfer,
    *,
    gradients: bool = True,
    non_finite: bool = True,
) -> Iterator[AlsoDiffers]:
    """Yield what differs besides the output values; each is measured.

    `inputs` are generic values, `padded` ones have whole steps zeroed, which shows masks. Without
    `gradients` or `non_finite` these are not compared.
    """
    stage.enter("comparing the models beyond their outputs")
    reference.hold(weights[0], "float64")
    candidate.hold(weights[1], "float64")
    sides = (reference, candidate)
    inputs, padded = _with_batch_size(sides, inputs), _with_batch_size(sides, padded)
    if _masks_differ(sides, padded):
        yield "mask"
    if gradients and _gradients_differ(sides, weights, inputs, transfer):
        yield "gradients"
    if _states_differ(sides, weights, inputs, transfer):
        yield "state"
    if _losses_differ(sides, weights, inputs):
        yield "losses"
    dtypes = [_output_dtypes(side) for side in sides]
    if None not in dtypes and dtypes[0] != dtypes[1]:
        yield "dtype"
    for side in sides:
        side.forget()
    if non_finite and _non_finite_differs(sides, weights, inputs):
        yield "non_finite"


Sides = tuple[Side, Side]


def _may_mask(side: Side) -> bool:
    return any(row.mask_out is not False for row in side.built.report.layers[-1:])


def _with_batch_size(
    sides: Sides, inputs: Sequence[Array], samples: int | None = None
) -> list[Array]:
    """Return inputs of the batch size that one of the models is built for, or of `samples`."""
    fixed = next((side for side in sides if side.float64.batch_size is not None), sides[0])
    return fixed.float64.fitted(inputs, samples)


def _masks_differ(sides: Sides, padded: Sequence[Array]) -> bool:
    if not any(_may_mask(side) for side in sides):
        return False
    one, other = (side.float64.masks(padded, training=side.training) for side in sides)
    if one is None or other is None:
        return False
    return any(
        (left is None) != (right is None)
        or (left is not None and right is not None and not np.array_equal(left, right))
        for left, right in zip(one, other, strict=True)
    )


def _output_dtypes(side: Side) -> list[str] | None:
    """Return the dtypes that a Keras model declares; None for a model of another runtime."""
    if side.working.keras is None:
        return None
    return [str(tensor.dtype) for tensor in side.built.model.outputs]


def _losses_differ(sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array]) -> bool:
    if not any(_may_have_losses(side) for side in sides):
        return False
    try:
        one, other = _losses(sides, weights, inputs, "float64")
    except Exception:  # a regularizer that works in float32 alone, as Keras' L1 before 3.15
        one, other = _losses(sides, weights, inputs, "working")
        rtol = max(LOSS_RTOL, _rtol_in_working_precision(sides))
        return not np.isclose(one, other, rtol=rtol, atol=0.0, equal_nan=True)
    return _clearly_differ(np.asarray(one), np.asarray(other), _rtol(sides))


def _losses(
    sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array], precision: Precision
) -> list[float]:
    found = []
    for side, values in zip(sides, weights, strict=True):
        side.hold(values, precision)
        runner = side.float64 if precision == "float64" else side.working
        found.append(runner.losses(inputs, training=side.training))
    return found


def _may_have_losses(side: Side) -> bool:
    """Return whether a model has a regularizer or a layer that may add a loss."""
    runner = side.working.keras
    if runner is None:
        return False
    if any(getattr(v, "regularizer", None) is not None for v in runner.variables):
        return True
    return any(
        getattr(layer, "activity_regularizer", None) is not None
        or type(layer).__name__ == "ActivityRegularization"
        or not type(layer).__module__.startswith("keras.")
        for layer in runner.layers
    )


def _gradients_differ(
    sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array], transfer: Transfer
) -> bool:
    reference, candidate = sides
    if reference.built.spec.select is not None or candidate.built.spec.select is not None:
        return False
    few = _with_batch_size(sides, inputs, 2)
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
    rtol = _rtol(sides)
    one, other = (_gradients(side, weights[k], few, directions) for k, side in enumerate(sides))
    if one is None or other is None:  # some operations have a gradient in float32 only
        rtol = _rtol_in_working_precision(sides)
        one, other = (
            _gradients(side, weights[k], few, directions, "working") for k, side in enumerate(sides)
        )
    if one is None or other is None:
        # A runtime that computes no gradients says nothing about those of the model.
        is_keras = all(side.working.keras is not None for side in sides)
        return is_keras and (one is None) != (other is None)
    return any(
        _gradient_differs(left, right, rtol) for left, right in zip(one[0], other[0], strict=True)
    ) or any(
        _gradient_differs(_carried_gradient(p, one[1], transfer), other[1][p.candidate], rtol)
        for p in transfer.pairings
    )


def _rtol(sides: Sides) -> float:
    """Return the relative difference from which the figures of two models are different."""
    return (
        RTOL_FLOAT64 if all(side.is_exact for side in sides) else _rtol_in_working_precision(sides)
    )


def _rtol_in_working_precision(sides: Sides) -> float:
    coarsest = max(side.unit for side in sides)
    return min(0.5, RTOL_FLOAT32 * coarsest / ROUNDOFF32)


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


def _carried_gradient(
    pairing: Pairing, gradients: Sequence[Array | None], transfer: Transfer
) -> Array | None:
    """Return the gradient of a candidate's weight by those of the weights it is made from.

    A pairing only moves values, and moves gradients alike.
    """
    if all(gradients[source] is None for source in pairing.sources):
        return None
    known: dict[int, Array] = {}
    for source in pairing.sources:
        own = gradients[source]
        known[source] = np.zeros(transfer.reference[source].shape) if own is None else own
    return pairing.made_from(known)


def _gradient_differs(one: Array | None, other: Array | None, rtol: float) -> bool:
    if one is None or other is None:
        present = one if one is not None else other
        return present is not None and bool(np.any(np.abs(present) > 0))
    if one.size != other.size:
        return True
    return _clearly_differ(one.ravel(), other.ravel(), rtol)


def _clearly_differ(one: Array, other: Array, rtol: float = RTOL_FLOAT64) -> bool:
    size = max(
        float(np.abs(part[np.isfinite(part)]).max(initial=0.0))
        for array in (one, other)
        for part in in_blocks(array)
    )
    blocks = zip(in_blocks(one), in_blocks(other), strict=True)
    return any(bool((distance(*both) > rtol * size).any()) for both in blocks)


def _states_differ(
    sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array], transfer: Transfer
) -> bool:
    """Return whether a second call, or the weights after a call, differ."""
    if not any(side.training or _is_stateful(side.float64) for side in sides):
        return False
    rtol = _rtol(sides)
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
        _clearly_differ(p.made_from(left[0]).ravel(), left[1][p.candidate].ravel(), rtol)
        for p in transfer.pairings
        if left[1][p.candidate].dtype.kind == "f"
    )
    if moved or seconds[0].error or seconds[1].error:
        return moved
    if any(side.training for side in sides):
        return False
    calls = (zip(f.outputs, s.outputs, strict=True) for f, s in zip(firsts, seconds, strict=True))
    return any(
        # A difference of the first calls is not due to state: only the change after it counts.
        _clearly_differ(one[1], one[0] + (other[1] - other[0]), rtol)
        for one, other in zip(*calls, strict=True)
        if one[1].shape == other[1].shape and one[1].dtype.kind == "f"
    )


def _is_stateful(runner: Runner) -> bool:
    """Return whether a call may change state, as a custom layer always may."""
    return any(
        getattr(layer, "stateful", False) or not type(layer).__module__.startswith("keras.")
        for layer in runner.layers
    )


def _non_finite_differs(
    sides: Sides, weights: tuple[Values, Values], inputs: Sequence[Array]
) -> bool:
    """Return whether a NaN or an infinity among the inputs affects different outputs."""
    if not any(array.dtype.kind == "f" for array in inputs):
        return False
    for special in (np.nan, np.inf, -np.inf):
        with_special = []
        for array in inputs:
            copy = array.copy()
            if array.dtype.kind == "f" and array[0].size:
                for row in range(len(copy)):
                    copy[row].reshape(-1)[row % copy[row].size] = special
            with_special.append(copy)
        one, other = (
            side.run(values, with_special, "float64", "traced_dynamic", seed=0)
            for side, values in zip(sides, weights, strict=True)
        )
        if bool(one.error) != bool(other.error):
            return True
        for left, right in zip(one.outputs, other.outputs, strict=True):
            comparable = left.dtype.kind == "f" and left.shape == right.shape
            if comparable and not np.array_equal(
                _non_finite_pattern(left), _non_finite_pattern(right)
            ):
                return True
    return False


def _non_finite_pattern(array: Array) -> Array:
    """Return 0 for finite, 1 and -1 for the infinities, 2 for NaN."""
    values = array.astype(np.float64)
    out = np.zeros(values.shape, dtype=np.int8)
    out[np.isposinf(values)] = 1
    out[np.isneginf(values)] = -1
    out[np.isnan(values)] = 2
    return out
