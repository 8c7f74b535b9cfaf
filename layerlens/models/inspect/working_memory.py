"""Estimate the intermediate values that a layer call keeps in memory, such as attention scores.

The estimate follows from shapes and configuration. It is for one sample, and a lower bound: an
unknown length counts as one, and a layer that Keras does not define counts its outputs only. The
factors are measured (see tests/unit/models/inspect/test_working_memory.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from layerlens.models.inspect.call_graph import calls_between, data_inputs, is_input_call
from layerlens.models.inspect.nested_layers import is_keras_class
from layerlens.models.inspect.shapes import called_with_own_shapes, tensor_shape, without_steps
from layerlens.scenario.spec import Shape

#: Bytes that TensorFlow's tape keeps for each step of a recurrent cell called eagerly, whatever
#: the batch size: some fifteen small tensors and their gradients. Measured: 22 KB (SimpleRNN),
#: 35 KB (LSTM), 46 KB (GRU).
STEP_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class WorkingMemory:
    """The scalars that the most demanding call of a model keeps for one sample.

    `inner` counts scalars that are neither inputs nor outputs of the call, such as the scores of
    attention.
    """

    layer: str
    #: Scalars in the call's inputs and outputs that are not inputs or outputs of the model.
    ends: int
    inner: int
    #: Steps of recurrent cells in the whole model; a gradient needs memory for each.
    steps: int = 0

    @property
    def scalars(self) -> int:
        return self.ends + self.inner


def working_memory(model: Any) -> WorkingMemory | None:
    """Return what a model's most demanding call keeps besides the model's inputs and outputs.

    The result is None for a model without calls.
    """
    inputs = list(getattr(model, "inputs", None) or ())
    outputs = list(getattr(model, "outputs", None) or ())
    return _most_demanding_call(inputs, outputs, exclude=[*inputs, *outputs])


def _most_demanding_call(
    inputs: Sequence[Any], outputs: Sequence[Any], exclude: Sequence[Any] = ()
) -> WorkingMemory | None:
    """Return the most demanding call between symbolic tensors, with the steps of all calls.

    The scalars of tensors in `exclude` do not count.
    """
    excluded = {id(tensor) for tensor in exclude}
    most: WorkingMemory | None = None
    steps = 0
    for node in calls_between(inputs, outputs):
        if is_input_call(node):
            continue
        input_shapes = [tensor_shape(tensor) for tensor in data_inputs(node)]
        output_shapes = [tensor_shape(tensor) for tensor in node.outputs]
        inner, own_steps = _scalars_and_steps(node.operation, input_shapes, output_shapes)
        steps += own_steps
        tensors = (*data_inputs(node), *node.outputs)
        ends = sum(_scalars(tensor_shape(one)) for one in tensors if id(one) not in excluded)
        call = WorkingMemory(str(node.operation.name), ends, inner)
        if most is None or call.scalars > most.scalars:
            most = call
    if most is None:
        return None
    return WorkingMemory(most.layer, most.ends, most.inner, steps)


def _scalars_and_steps(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> tuple[int, int]:
    """Return the intermediate scalars of one call of a layer, and its steps of recurrent cells."""
    if not is_keras_class(layer) or not inputs or not outputs:
        return 0, 0
    kind = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in _MEMORY_BY_CLASS), None)
    return _MEMORY_BY_CLASS[kind](layer, inputs, outputs) if kind is not None else (0, 0)


# --- the layers that keep intermediate values -----------------------------------------------------


def _attention(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    return _query_value_pairs(inputs), 0


def _additive(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """The sum of each query and each key."""
    return _query_value_pairs(inputs) * _product(inputs[0][-1:]), 0


def _query_value_pairs(inputs: Sequence[Shape]) -> int:
    value = inputs[1] if len(inputs) > 1 else inputs[0]
    return _product(inputs[0][1:-1]) * _product(value[1:-1])


def _multi_head(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    query, value = inputs[0], inputs[1] if len(inputs) > 1 else inputs[0]
    key = inputs[2] if len(inputs) > 2 else value
    axes = getattr(layer, "_attention_axes", None) or range(1, len(key) - 1)
    attended = _product([key[axis] for axis in axes if axis < len(key)])
    heads = int(getattr(layer, "num_query_heads", None) or layer.num_heads)
    return heads * _product(query[1:-1]) * attended, 0


def _separable(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """The output of the depthwise convolution."""
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    channels = inputs[0][1] if channels_first else inputs[0][-1]
    positions = outputs[0][2:] if channels_first else outputs[0][1:-1]
    return _product(positions) * _product([channels]) * int(layer.depth_multiplier), 0


def _recurrent(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """The input with the steps in front, and the same input split into steps."""
    cells = getattr(layer.cell, "cells", None) or [layer.cell]
    return 2 * _scalars(inputs[0]), _product(inputs[0][1:2]) * len(cells)


def _bidirectional(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    both = [
        _scalars_and_steps(one, inputs, outputs)
        for one in (layer.forward_layer, layer.backward_layer)
    ]
    return sum(inner for inner, _ in both), sum(steps for _, steps in both)


def _time_distributed(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    inner, steps = _scalars_and_steps(layer.layer, without_steps(inputs), without_steps(outputs))
    repeats = _product(inputs[0][1:2])
    return repeats * inner, repeats * steps


def _wrapped(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    return _scalars_and_steps(layer.layer, inputs, outputs)


def _normalization(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    """The deviations from the mean, and their squares."""
    return 2 * _scalars(inputs[0]), 0


def _mel_spectrogram(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> tuple[int, int]:
    """The spectrum of each frame."""
    return _product(outputs[0][-1:]) * int(layer.fft_length), 0


def _nested(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """The most demanding call inside a model that is called with its own input shapes."""
    if not called_with_own_shapes(layer, inputs):
        return 0, 0
    most = _most_demanding_call(layer.inputs, layer.outputs)
    return (most.scalars, most.steps) if most is not None else (0, 0)


_MEMORY_BY_CLASS: dict[str, Callable[[Any, Sequence[Shape], Sequence[Shape]], tuple[int, int]]] = {
    "AdditiveAttention": _additive,
    "Attention": _attention,
    "MultiHeadAttention": _multi_head,
    "GroupedQueryAttention": _multi_head,
    "BaseSeparableConv": _separable,
    "RNN": _recurrent,
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
    "SpectralNormalization": _wrapped,
    "LayerNormalization": _normalization,
    "MelSpectrogram": _mel_spectrogram,
    "Sequential": _nested,
    "Functional": _nested,
}


def _scalars(shape: Shape) -> int:
    return _product(shape[1:])


def _product(sizes: Sequence[int | None]) -> int:
    return math.prod(1 if size is None else int(size) for size in sizes)
