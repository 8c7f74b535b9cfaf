"""Layers that TensorFlow cannot run in float64 as they are, made to: the same sums, other calls.

On a CPU it has no float64 kernel for convolutions with the channels first and for pooling in three
dimensions. The first are run with the channels moved to the end, the second one axis after another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerlens.layertree import with_held

_CONVOLUTIONS = (
    "Conv1D",
    "Conv2D",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
)
_POOLINGS = ("MaxPooling3D", "AveragePooling3D")


def enable_float64(model: Any) -> None:
    """Give the layers of a float64 model that need it another `call` with the same result."""
    for layer in with_held(model):
        kind = type(layer)
        if not kind.__module__.startswith("keras.") or layer.compute_dtype != "float64":
            continue
        if kind.__name__ in _CONVOLUTIONS and layer.data_format == "channels_first":
            _change_call(layer, _channels_last)
        elif kind.__name__ in _POOLINGS:
            _change_call(layer, _axis_after_axis)


def _change_call(layer: Any, call: Callable[[Any, Any, Any], Any]) -> None:
    kind = type(layer)

    def changed(self: Any, inputs: Any) -> Any:
        return call(kind, self, inputs)

    layer.__class__ = type(kind.__name__, (kind,), {"call": changed, "__module__": kind.__module__})


def _channels_last(kind: Any, layer: Any, inputs: Any) -> Any:
    """Run a convolution on the moved channels; its kernel is laid out alike in both formats."""
    import keras

    activation = layer.activation
    layer.data_format, layer.activation = "channels_last", None
    try:
        outputs = kind.call(layer, keras.ops.moveaxis(inputs, 1, -1))
    finally:
        layer.data_format, layer.activation = "channels_first", activation
    outputs = keras.ops.moveaxis(outputs, -1, 1)
    return outputs if activation is None else activation(outputs)


def _axis_after_axis(_: Any, layer: Any, inputs: Any) -> Any:
    """Pool height and width, then depth: a window's greatest, or mean, is that of its rows'."""
    import keras

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
