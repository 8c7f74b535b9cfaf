"""Estimate what a call holds in memory: scores, states, intermediate tensors.

Everything is read off shapes and configuration, for one sample, and is a lower bound: an open
length counts as one, and layers that are not Keras' own hold nothing but their outputs. The factors
were measured on the layers themselves (see tests/unit/test_working_memory.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from layerlens.models.inspect.call_graph import calls_between, data_inputs, is_input_call

Shape = tuple[int | None, ...]

#: What TensorFlow's tape keeps for each step of a recurrent cell that is called eagerly, whatever
#: the batch: some fifteen small tensors and their gradients. Measured: 22 KB (SimpleRNN), 35 KB
#: (LSTM), 46 KB (GRU).
STEP_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class WorkingMemory:
    """What the most demanding call of a model holds for one sample.

    `inner` scalars are neither inputs nor outputs of the call, such as the scores of attention.
    """

    layer: str
    #: Scalars that go into the call and come out of it, those of the whole model left out.
    ends: int
    inner: int
    #: Steps of recurrent cells in the whole model: a gradient keeps something for each.
    steps: int = 0

    @property
    def scalars(self) -> int:
        return self.ends + self.inner


def working_memory(model: Any) -> WorkingMemory | None:
    """Return what a model's most demanding call holds beside the model's inputs and outputs.

    None where the model has no calls.
    """
    inputs = list(getattr(model, "inputs", None) or ())
    outputs = list(getattr(model, "outputs", None) or ())
    return _of_calls(inputs, outputs, beside=[*inputs, *outputs])


def _of_calls(
    inputs: Sequence[Any], outputs: Sequence[Any], beside: Sequence[Any] = ()
) -> WorkingMemory | None:
    """Return the most demanding call between symbolic tensors, with the steps of all of them.

    Tensors that are `beside` it are left out: they are counted already.
    """
    counted = {id(tensor) for tensor in beside}
    most: WorkingMemory | None = None
    steps = 0
    for node in calls_between(inputs, outputs):
        if is_input_call(node):
            continue
        given = [_shape(tensor) for tensor in data_inputs(node)]
        made = [_shape(tensor) for tensor in node.outputs]
        inner, own_steps = _inside(node.operation, given, made)
        steps += own_steps
        tensors = (*data_inputs(node), *node.outputs)
        ends = sum(_count(_shape(one)) for one in tensors if id(one) not in counted)
        call = WorkingMemory(str(node.operation.name), ends, inner)
        if most is None or call.scalars > most.scalars:
            most = call
    if most is None:
        return None
    return WorkingMemory(most.layer, most.ends, most.inner, steps)


def _inside(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """Return the scalars inside one call of a layer, and the steps of recurrent cells."""
    if not type(layer).__module__.startswith("keras.") or not inputs or not outputs:
        return 0, 0
    kind = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in _KINDS), None)
    return _KINDS[kind](layer, inputs, outputs) if kind is not None else (0, 0)


# --- the layers that hold more than their inputs and outputs ------------------------------------


def _attention(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    return _pairs(inputs), 0


def _additive(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """The sum of every query and every key is there before it is scored."""
    return _pairs(inputs) * _times(inputs[0][-1:]), 0


def _pairs(inputs: Sequence[Shape]) -> int:
    value = inputs[1] if len(inputs) > 1 else inputs[0]
    return _times(inputs[0][1:-1]) * _times(value[1:-1])


def _multi_head(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    query, value = inputs[0], inputs[1] if len(inputs) > 1 else inputs[0]
    key = inputs[2] if len(inputs) > 2 else value
    axes = getattr(layer, "_attention_axes", None) or range(1, len(key) - 1)
    attended = _times([key[axis] for axis in axes if axis < len(key)])
    heads = int(getattr(layer, "num_query_heads", None) or layer.num_heads)
    return heads * _times(query[1:-1]) * attended, 0


def _separable(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """What the depthwise part gives to the pointwise one."""
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    channels = inputs[0][1] if channels_first else inputs[0][-1]
    places = outputs[0][2:] if channels_first else outputs[0][1:-1]
    return _times(places) * _times([channels]) * int(layer.depth_multiplier), 0


def _recurrent(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """The input in the order of its steps, taken apart step by step."""
    cells = getattr(layer.cell, "cells", None) or [layer.cell]
    return 2 * _count(inputs[0]), _times(inputs[0][1:2]) * len(cells)


def _bidirectional(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    both = [_inside(one, inputs, outputs) for one in (layer.forward_layer, layer.backward_layer)]
    return sum(inner for inner, _ in both), sum(steps for _, steps in both)


def _time_distributed(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    inner, steps = _inside(
        layer.layer,
        [(shape[0], *shape[2:]) for shape in inputs],
        [(shape[0], *shape[2:]) for shape in outputs],
    )
    times = _times(inputs[0][1:2])
    return times * inner, times * steps


def _wrapped(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    return _inside(layer.layer, inputs, outputs)


def _normalization(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    """The deviations from the mean, and their squares."""
    return 2 * _count(inputs[0]), 0


def _mel(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """The spectrum of every frame, before its bins are summed up."""
    return _times(outputs[0][-1:]) * int(layer.fft_length), 0


def _nested(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """What the most demanding call inside holds, where the model is used with its own shapes."""
    given = [_shape(tensor) for tensor in getattr(layer, "inputs", None) or ()]
    if not given or [shape[1:] for shape in given] != [shape[1:] for shape in inputs]:
        return 0, 0
    most = _of_calls(layer.inputs, layer.outputs)
    return (most.scalars, most.steps) if most is not None else (0, 0)


_KINDS: dict[str, Callable[[Any, Sequence[Shape], Sequence[Shape]], tuple[int, int]]] = {
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
    "MelSpectrogram": _mel,
    "Sequential": _nested,
    "Functional": _nested,
}


def _count(shape: Shape) -> int:
    return _times(shape[1:])


def _times(sizes: Sequence[int | None]) -> int:
    return math.prod(1 if size is None else int(size) for size in sizes)


def _shape(tensor: Any) -> Shape:
    return tuple(None if size is None else int(size) for size in tensor.shape)
