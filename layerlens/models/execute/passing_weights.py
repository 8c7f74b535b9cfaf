"""Weights with which a layer passes every small change of its inputs on.

Whatever its scale, a signal that runs through hundreds of layers forgets where it began: samples
that differ in the middle of a network end in the same outputs. Orthogonal kernels turn a change and
keep its size (Saxe, McClelland and Ganguli, *Exact solutions to the nonlinear dynamics of learning
in deep linear neural networks*, 2014). They lose nothing as long as activations are linear, so
biases move every unit to where its activation bends least, and kernels make up for its slope there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.execute.variables import assign_array
from layerlens.numerics.arrays import Float

#: Where an activation may be linear: sigmoids are at 0, rectifiers at 1, smooth ones farther on.
#: The first counts where several are as good, as for a layer before a separate activation.
_PLACES = (1.0, 0.0, 3.0)
#: How far around a place an activation has to be linear, and the step that measures its slope.
_REACH, _STEP = 0.5, 2.0**-6
#: The least slope that kernels make up for.
_LEAST_SLOPE = 0.1
#: Units differ by this much: where all samples are alike, their outputs would be exactly zero.
_OFFSET = 2.0**-5
#: The most rows and columns that are made orthonormal together.
_BLOCK = 64

_DENSE = (keras.layers.Dense,)
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


def pass_on(
    layer: Any, arguments: Sequence[Any], named: Mapping[str, Any], rng: np.random.Generator
) -> bool:
    """Give a layer weights with which it passes changes on; False for a kind without any."""
    if isinstance(layer, keras.layers.BatchNormalization):
        _shift(layer, arguments[0])
        return True
    kernel = _passing_kernel(layer, rng)
    if kernel is None:
        return False
    place, slope = most_linear(layer.activation)
    kernel /= slope
    assign_array(layer.kernel, kernel)
    if layer.bias is None:
        return True
    layer.bias.assign(np.zeros(layer.bias.shape))
    activation, layer.activation = layer.activation, keras.activations.linear
    try:
        values = np.asarray(layer(*arguments, **named), np.float64)
    finally:
        layer.activation = activation
    means = _channel_means(values, _channel_axis(layer, values))
    if np.isfinite(means).all():
        layer.bias.assign(place + _OFFSET * rng.standard_normal(means.shape) - means)
    return True


def most_linear(activation: Any) -> tuple[float, float]:
    """Return where an activation bends least, of a few places, and its slope there.

    The slope is 1 where it is hardly any, as for a softmax, which tells no number from another, and
    for a user's function that takes the shape of its layer's outputs alone.
    """
    offsets = np.array([-_REACH, -_STEP, 0.0, _STEP, _REACH], np.float32)
    found = []
    for place in _PLACES:
        # A softmax sees two numbers that move together.
        points = keras.ops.convert_to_tensor(np.stack([place + offsets] * 2, axis=1))
        try:
            results = np.asarray(activation(points), np.float64)
        except Exception as error:  # the user's own code
            raise_if_out_of_memory(error, "while an activation was called")
            break
        if results.shape != tuple(points.shape):
            break
        low, before, middle, after, high = results[:, 0]
        slope, bend = (after - before) / (2 * _STEP), abs(low + high - 2 * middle)
        if np.isfinite([slope, bend]).all() and abs(slope) >= _LEAST_SLOPE:
            found.append((round(float(bend / abs(slope)), 6), place, float(slope)))
    if not found:
        return _PLACES[0], 1.0
    _, place, slope = min(found, key=lambda one: one[0])
    return place, slope


def _passing_kernel(layer: Any, rng: np.random.Generator) -> Float | None:
    """Return a kernel that keeps the size of a change; that of a convolution sees one position."""
    if isinstance(layer, _DENSE):
        rows, columns = layer.kernel.shape
        return _orthogonal(rows, columns, rng)
    if not isinstance(layer, (*_CONVOLUTIONS, *_DEPTHWISE)):
        return None
    shape = tuple(layer.kernel.shape)
    kernel = np.zeros(shape)
    center = tuple(size // 2 for size in shape[:-2])
    if isinstance(layer, _DEPTHWISE):
        kernel[center] = 1.0
    else:
        columns = shape[-1] // layer.groups
        blocks = [_orthogonal(shape[-2], columns, rng) for _ in range(layer.groups)]
        kernel[center] = np.concatenate(blocks, axis=1)
    return kernel


def _orthogonal(rows: int, columns: int, rng: np.random.Generator) -> Float:
    """Return a matrix with orthonormal rows or columns, whichever are fewer.

    A large one has blocks of these on its diagonal, which take little time to make.
    """
    count = -(-min(rows, columns) // _BLOCK)
    if count > 1:
        whole = np.zeros((rows, columns))
        ends = (np.linspace(0, size, count + 1).astype(int) for size in (rows, columns))
        for (top, bottom), (left, right) in zip(*map(pairwise, ends), strict=True):
            whole[top:bottom, left:right] = _orthogonal(bottom - top, right - left, rng)
        return whole
    drawn = rng.standard_normal((max(rows, columns), min(rows, columns)))
    found: Float = np.linalg.qr(drawn)[0]
    return found if rows >= columns else found.T


def _shift(layer: Any, inputs: Any) -> None:
    """Let a normalization move every channel to where most activations are linear."""
    values = np.asarray(inputs, np.float64)
    means = _channel_means(values, layer.axis)
    layer.moving_mean.assign(np.where(np.isfinite(means), means, 0.0))
    layer.moving_variance.assign(np.ones(means.shape))
    if layer.gamma is not None:
        layer.gamma.assign(np.ones(means.shape))
    if layer.beta is not None:
        layer.beta.assign(np.full(means.shape, _PLACES[0]))


def _channel_axis(layer: Any, values: Float) -> int:
    return 1 if getattr(layer, "data_format", None) == "channels_first" else values.ndim - 1


def _channel_means(values: Float, axis: int) -> Float:
    others = tuple(n for n in range(values.ndim) if n != axis % values.ndim)
    means: Float = values.mean(axis=others)
    return means
