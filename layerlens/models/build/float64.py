"""Make layers run in float64 that TensorFlow cannot run in float64 as they are.

On a CPU TensorFlow has no float64 kernel for convolutions with the channels first, for pooling in
three dimensions, and for depthwise convolutions with unequal strides. The first run with the
channels moved to the end, the second one axis after another, and the third with strides of 1 of
which every nth output is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from layerlens.models.inspect.nested_layers import with_nested

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D")
_TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_DEPTHWISE = ("DepthwiseConv2D", "SeparableConv2D")
_POOLINGS = ("MaxPooling3D", "AveragePooling3D")


def enable_float64(model: Any) -> None:
    """Replace `call` in the layers of a float64 model that need it by one with the same result."""
    for layer in with_nested(model):
        kind = type(layer)
        if not kind.__module__.startswith("keras.") or layer.compute_dtype != "float64":
            continue
        if kind.__name__ in _CONVOLUTIONS and layer.groups > 1:
            _change_call(layer, _group_by_group)
        elif (
            kind.__name__ in (*_CONVOLUTIONS, *_TRANSPOSED)
            and layer.data_format == "channels_first"
        ):
            _change_call(layer, _channels_last)
        elif kind.__name__ in _DEPTHWISE and len(set(layer.strides)) > 1:
            _change_call(layer, _every_nth)
        elif kind.__name__ in _POOLINGS:
            _change_call(layer, _axis_after_axis)


def _change_call(layer: Any, call: Callable[[Any, Any, Any], Any]) -> None:
    kind = type(layer)

    def changed(self: Any, inputs: Any) -> Any:
        return call(kind, self, inputs)

    layer.__class__ = type(kind.__name__, (kind,), {"call": changed, "__module__": kind.__module__})


def _channels_last(kind: Any, layer: Any, inputs: Any) -> Any:
    """Run a convolution with the channels moved; its kernel has one layout in both formats."""
    activation = layer.activation
    layer.data_format, layer.activation = "channels_last", None
    try:
        outputs = kind.call(layer, keras.ops.moveaxis(inputs, 1, -1))
    finally:
        layer.data_format, layer.activation = "channels_first", activation
    outputs = keras.ops.moveaxis(outputs, -1, 1)
    return outputs if activation is None else activation(outputs)


def _group_by_group(_: Any, layer: Any, inputs: Any) -> Any:
    """Convolve each group of channels with its own part of the kernel."""
    ops = keras.ops
    first = layer.data_format == "channels_first"
    values = ops.moveaxis(inputs, 1, -1) if first else inputs
    padding = layer.padding
    if padding == "causal":
        steps = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
        values, padding = ops.pad(values, [[0, 0], [steps, 0], [0, 0]]), "valid"
    numbers = layer.strides, padding, "channels_last", layer.dilation_rate
    kernel = layer.kernel
    if kernel.shape[-2] == 1 and layer.rank < 3 and len(set(layer.strides)) == 1:
        # One channel in each group: TensorFlow has a kernel for all of them at once.
        depthwise = (*layer.kernel_size, layer.groups, layer.filters // layer.groups)
        outputs = ops.depthwise_conv(values, ops.reshape(kernel, depthwise), *numbers)
    else:
        parts = (ops.split(tensor, layer.groups, axis=-1) for tensor in (values, kernel))
        outputs = ops.concatenate(
            [ops.conv(part, own, *numbers) for part, own in zip(*parts, strict=True)], axis=-1
        )
    if layer.use_bias:
        outputs = outputs + layer.bias
    if first:
        outputs = ops.moveaxis(outputs, -1, 1)
    return outputs if layer.activation is None else layer.activation(outputs)


def _every_nth(kind: Any, layer: Any, inputs: Any) -> Any:
    """Convolve with strides of 1 and take every nth output along each axis.

    The padding of `same` depends on the strides, so the input is padded first.
    """
    activation, strides, padding = layer.activation, layer.strides, layer.padding
    first = layer.data_format == "channels_first"
    padded = _padded_as_same(layer, inputs, 2 if first else 1) if padding == "same" else inputs
    layer.activation, layer.strides, layer.padding = None, (1, 1), "valid"
    try:
        outputs = kind.call(layer, padded)
    finally:
        layer.activation, layer.strides, layer.padding = activation, strides, padding
    every = tuple(slice(None, None, stride) for stride in strides)
    picked = (slice(None), slice(None), *every) if first else (slice(None), *every)
    outputs = outputs[picked]
    return outputs if activation is None else activation(outputs)


def _padded_as_same(layer: Any, inputs: Any, start: int) -> Any:
    """Pad the spatial axes from `start` on as TensorFlow does for `same`: more at the end."""
    lengths = tf.shape(inputs)
    amounts = [tf.constant([0, 0]) for _ in range(len(inputs.shape))]
    numbers = zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    for axis, (kernel, stride, dilation) in enumerate(numbers, start):
        steps = -(-lengths[axis] // stride)
        reach = (steps - 1) * stride + (kernel - 1) * dilation + 1
        total = tf.maximum(reach - lengths[axis], 0)
        amounts[axis] = tf.stack([total // 2, total - total // 2])
    return tf.pad(inputs, tf.stack(amounts))


def _axis_after_axis(_: Any, layer: Any, inputs: Any) -> Any:
    """Pool height and width, then depth, which gives the same maximum or mean of each window."""
    ops = keras.ops
    pool = ops.max_pool if layer.pool_mode == "max" else ops.average_pool
    first = layer.data_format == "channels_first"
    values = ops.moveaxis(inputs, 1, -1) if first else inputs

    def pooled(images: Any, axes: slice, more: tuple[int, ...]) -> Any:
        size, strides = (*layer.pool_size[axes], *more), (*layer.strides[axes], *more)
        return pool(images, size, strides, layer.padding, "channels_last")

    samples, depth, height, width, channels = ops.shape(values)
    values = ops.reshape(values, (samples * depth, height, width, channels))
    values = pooled(values, slice(1, 3), ())
    _, height, width, _ = ops.shape(values)
    values = ops.reshape(values, (samples, depth, height * width, channels))
    values = pooled(values, slice(0, 1), (1,))
    values = ops.reshape(values, (samples, ops.shape(values)[1], height, width, channels))
    return ops.moveaxis(values, -1, 1) if first else values
