"""The cost of one layer call for one sample: multiply-adds and memory.

Multiply-adds are the products of kernels with inputs, and those of attention. Elementwise work
(activations, gates, normalisation, pooling) is not counted. All figures follow from shapes and
configuration; an unknown figure is None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from layerlens.models.inspect.call_graph import calls_between, data_inputs, is_input_call
from layerlens.models.inspect.shapes import called_with_own_shapes, tensor_shape, without_steps
from layerlens.scenario.spec import Shape

#: Modules of the Keras layers that have no multiply-adds.
_FREE_MODULES = re.compile(
    r"keras\.src\.layers\.(activations|reshaping|pooling|normalization|regularization|merging)\."
    r"|keras\.src\.layers\.core\.(identity|input_layer|masking)"
)
#: Operations of `keras.ops` that have multiply-adds, or whose work is unknown.
_MULTIPLYING = re.compile(
    r"Dot|Einsum|MatMul|Matmul|Conv|Inner|Outer|Kron|Cross|Correlate|Attention"
)
_BITS = re.compile(r"(\d+)$")


def multiply_adds(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    """Return the multiply-adds of one call for one sample.

    Shapes have the batch axis first. The result is None if it depends on an unknown length, and
    for layers that Keras does not define.
    """
    module = type(layer).__module__
    if not module.startswith("keras.") or not inputs or not outputs:
        return None
    kind = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in _COSTS), None)
    if kind is not None:
        try:
            return _COSTS[kind](layer, inputs, outputs)
        except _UnknownLength:
            return None
    if _FREE_MODULES.match(module):
        return 0
    if module.startswith(("keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.core")):
        return None if _MULTIPLYING.search(type(layer).__name__) else 0
    return None


def activation_bytes(outputs: Iterable[tuple[Shape, str]]) -> int | None:
    """Return the bytes of one sample of outputs with these shapes and dtypes.

    The result is None for an unknown length and for strings.
    """
    total = 0
    for shape, dtype in outputs:
        if None in shape[1:] or dtype == "string":
            return None
        total += math.prod(n for n in shape[1:] if n is not None) * bytes_of(dtype)
    return total


def bytes_of(dtype: str) -> int:
    """Return the bytes per element of a dtype: 4 for "float32", 1 for "bool" and "int4"."""
    found = _BITS.search(dtype)
    return max(1, int(found[1]) // 8) if found else 1


def sum_of_known(numbers: Iterable[int | None]) -> int | None:
    """Return the sum, or None if one of the numbers is None."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


# --- the layers that have multiply-adds -----------------------------------------------------------


class _UnknownLength(Exception):  # noqa: N818 (never leaves this module)
    """The cost depends on a length that is unknown."""


def _product(sizes: Iterable[int | None]) -> int:
    """Return the product of sizes; raises _UnknownLength if one is None."""
    product = 1
    for size in sizes:
        if size is None:
            raise _UnknownLength
        product *= size
    return product


def _dense(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _product(inputs[0][1:]) * int(layer.units)


def _einsum_dense(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Each output element is a sum over the kernel's axes that the output does not have."""
    left, output = str(layer.equation).replace(" ", "").split("->")
    letters = left.split(",")[1]
    summed = [
        int(size)
        for letter, size in zip(letters, layer.kernel.shape, strict=True)
        if letter not in output
    ]
    return _product(outputs[0][1:]) * math.prod(summed)


def _conv(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _size(layer.kernel) * _product(_window_positions(layer, outputs[0]))


def _conv_transpose(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _size(layer.kernel) * _product(_window_positions(layer, inputs[0]))


def _separable(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    kernels = _size(layer.depthwise_kernel) + _size(layer.pointwise_kernel)
    return kernels * _product(_window_positions(layer, outputs[0]))


def _rnn(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    each = sum_of_known(_cell_products(cell) for cell in _cells(layer.cell))
    return _product([each, inputs[0][1]])


def _cells(cell: Any) -> Sequence[Any]:
    cells: Sequence[Any] = getattr(cell, "cells", None) or [cell]
    return cells


def _cell_products(cell: Any) -> int | None:
    if type(cell).__name__ not in ("GRUCell", "LSTMCell", "SimpleRNNCell"):
        return None
    return _size(cell.kernel) + _size(cell.recurrent_kernel)


def _conv_lstm(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    cell = layer.cell
    places = _window_positions(cell, (None, *outputs[0][-cell.rank - 1 :]))
    kernels = _size(cell.kernel) + _size(cell.recurrent_kernel)
    return kernels * _product([inputs[0][1], *places])


def _bidirectional(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    both = (layer.forward_layer, layer.backward_layer)
    return _product([sum_of_known(multiply_adds(one, inputs[:1], outputs) for one in both)])


def _time_distributed(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    step_inputs, step_outputs = without_steps(inputs), without_steps(outputs)
    return _product([inputs[0][1], multiply_adds(layer.layer, step_inputs, step_outputs)])


def _spectral_normalization(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _product([multiply_adds(layer.layer, inputs, outputs)])


def _attention(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    query, value = inputs[0], inputs[1]
    pairs = _product([*query[1:-1], value[1]])
    is_dot = getattr(layer, "score_mode", "dot") == "dot" and "Additive" not in type(layer).__name__
    scored = is_dot or getattr(layer, "use_scale", False)
    return pairs * (_product([value[-1]]) + (_product([query[-1]]) if scored else 0))


def _multi_head(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    query, value = inputs[0], inputs[1]
    key = inputs[2] if len(inputs) > 2 else value
    if len(query) != 3:
        raise _UnknownLength  # the attended axes are an argument then
    parts = ((query, "_query_dense"), (key, "_key_dense"), (value, "_value_dense"))
    projected = sum(_size(getattr(layer, name).kernel) * _product(x[1:-1]) for x, name in parts)
    output = _size(layer._output_dense.kernel) * _product(query[1:-1])
    heads = int(getattr(layer, "num_query_heads", None) or layer.num_heads)
    width = int(getattr(layer, "head_dim", None) or layer._key_dim)
    value_width = int(getattr(layer, "_value_dim", None) or width)
    pairs = _product([query[1], key[1]])
    return projected + output + heads * pairs * (width + value_width)


def _dot(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    axes = layer.axes if isinstance(layer.axes, int) else layer.axes[0]
    return _product([inputs[0][axes], *outputs[0][1:]])


def _matmul(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _product([*outputs[0][1:], inputs[0][-1]])


def _nested(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Return the sum over the layers of a model that is called with its own input shapes."""
    if not called_with_own_shapes(layer, inputs):
        raise _UnknownLength
    return _product(
        [
            sum_of_known(
                multiply_adds(
                    node.operation,
                    [tensor_shape(tensor) for tensor in data_inputs(node)],
                    [tensor_shape(tensor) for tensor in node.outputs],
                )
                for node in calls_between(layer.inputs, layer.outputs)
                if not is_input_call(node)
            )
        ]
    )


def _zero(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return 0


_COSTS: dict[str, Callable[[Any, Sequence[Shape], Sequence[Shape]], int]] = {
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "BaseConv": _conv,
    "BaseDepthwiseConv": _conv,
    "BaseConvTranspose": _conv_transpose,
    "BaseSeparableConv": _separable,
    "ConvLSTM": _conv_lstm,
    "RNN": _rnn,
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
    "SpectralNormalization": _spectral_normalization,
    "Attention": _attention,
    "MultiHeadAttention": _multi_head,
    "GroupedQueryAttention": _multi_head,
    "Sequential": _nested,
    "Functional": _nested,
    "Dot": _dot,
    "Matmul": _matmul,
    **dict.fromkeys(
        (
            "Embedding",
            "Normalization",
            "Rescaling",
            "Discretization",
            "CategoryEncoding",
            "Hashing",
            "HashedCrossing",
            "IndexLookup",
            "TextVectorization",
            "Resizing",
            "CenterCrop",
        ),
        _zero,
    ),
}


def _size(weight: Any) -> int:
    return math.prod(int(size) for size in weight.shape)


def _window_positions(layer: Any, shape: Shape) -> Shape:
    """Return the sizes of the axes that a window moves along."""
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        return shape[2:]
    return shape[1:-1]
