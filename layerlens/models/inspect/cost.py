"""The cost of a layer's call for one sample: multiply-adds and memory.

Multiply-adds are the products that are summed up: of kernels with inputs, and of attention. Work
on single elements (activations, gates, normalisation, pooling) is not counted. Everything is read
off shapes and configuration; what is not known is None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from layerlens.models.inspect.call_graph import calls_between, data_inputs, is_input_call

Shape = tuple[int | None, ...]

#: Kinds of layers of Keras that multiply no kernel and sum no products, by the package they are in.
_ELEMENTWISE = re.compile(
    r"keras\.src\.layers\.(activations|reshaping|pooling|normalization|regularization|merging)\."
    r"|keras\.src\.layers\.core\.(identity|input_layer|masking)"
)
#: Operations of keras.ops that do sum products, or whose work is not known.
_SUMMING = re.compile(r"Dot|Einsum|MatMul|Matmul|Conv|Inner|Outer|Kron|Cross|Correlate|Attention")
_BITS = re.compile(r"(\d+)$")


def multiply_adds(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    """Count the multiply-adds of one call for one sample.

    Shapes have the batch axis first. None where a length that matters is open, and for layers that
    are not Keras' own.
    """
    module = type(layer).__module__
    if not module.startswith("keras.") or not inputs or not outputs:
        return None
    kind = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in _COSTS), None)
    if kind is not None:
        try:
            return _COSTS[kind](layer, inputs, outputs)
        except _Open:
            return None
    if _ELEMENTWISE.match(module):
        return 0
    if module.startswith(("keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.core")):
        return None if _SUMMING.search(type(layer).__name__) else 0
    return None


def activation_bytes(outputs: Iterable[tuple[Shape, str]]) -> int | None:
    """Return the bytes that outputs of these shapes and dtypes take for one sample."""
    total = 0
    for shape, dtype in outputs:
        if None in shape[1:] or dtype == "string":
            return None
        total += math.prod(n for n in shape[1:] if n is not None) * bytes_of(dtype)
    return total


def bytes_of(dtype: str) -> int:
    """Return the bytes of one number of a dtype: 4 of "float32", 1 of "bool" and of "int4"."""
    found = _BITS.search(dtype)
    return max(1, int(found[1]) // 8) if found else 1


def sum_of_known(numbers: Iterable[int | None]) -> int | None:
    """Return the sum, or None where one of the numbers is not known."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


# --- the layers that sum products ---------------------------------------------------------------


class _Open(Exception):  # noqa: N818 (an outcome on its way to None)
    """A length that the cost depends on is open."""


def _known(sizes: Iterable[int | None]) -> int:
    product = 1
    for size in sizes:
        if size is None:
            raise _Open
        product *= size
    return product


def _dense(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _known(inputs[0][1:]) * int(layer.units)


def _einsum_dense(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Every output element is a sum over the letters that the output has not."""
    left, output = str(layer.equation).replace(" ", "").split("->")
    letters = left.split(",")[1]
    summed = [
        int(size)
        for letter, size in zip(letters, layer.kernel.shape, strict=True)
        if letter not in output
    ]
    return _known(outputs[0][1:]) * math.prod(summed)


def _conv(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _size(layer.kernel) * _known(_places(layer, outputs[0]))


def _conv_transpose(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _size(layer.kernel) * _known(_places(layer, inputs[0]))


def _separable(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    kernels = _size(layer.depthwise_kernel) + _size(layer.pointwise_kernel)
    return kernels * _known(_places(layer, outputs[0]))


def _rnn(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    each = sum_of_known(_cell_products(cell) for cell in _cells(layer.cell))
    return _known([each, inputs[0][1]])


def _cells(cell: Any) -> Sequence[Any]:
    cells: Sequence[Any] = getattr(cell, "cells", None) or [cell]
    return cells


def _cell_products(cell: Any) -> int | None:
    if type(cell).__name__ not in ("GRUCell", "LSTMCell", "SimpleRNNCell"):
        return None
    return _size(cell.kernel) + _size(cell.recurrent_kernel)


def _conv_lstm(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    cell = layer.cell
    places = _places(cell, (None, *outputs[0][-cell.rank - 1 :]))
    kernels = _size(cell.kernel) + _size(cell.recurrent_kernel)
    return kernels * _known([inputs[0][1], *places])


def _bidirectional(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    both = (layer.forward_layer, layer.backward_layer)
    return _known([sum_of_known(multiply_adds(one, inputs[:1], outputs) for one in both)])


def _time_distributed(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    given = [(shape[0], *shape[2:]) for shape in inputs]
    made = [(shape[0], *shape[2:]) for shape in outputs]
    return _known([inputs[0][1], multiply_adds(layer.layer, given, made)])


def _spectral(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _known([multiply_adds(layer.layer, inputs, outputs)])


def _attention(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    query, value = inputs[0], inputs[1]
    pairs = _known([*query[1:-1], value[1]])
    is_dot = getattr(layer, "score_mode", "dot") == "dot" and "Additive" not in type(layer).__name__
    scored = is_dot or getattr(layer, "use_scale", False)
    return pairs * (_known([value[-1]]) + (_known([query[-1]]) if scored else 0))


def _multi_head(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    query, value = inputs[0], inputs[1]
    key = inputs[2] if len(inputs) > 2 else value
    if len(query) != 3:
        raise _Open  # which axes attend to each other is another matter then
    parts = ((query, "_query_dense"), (key, "_key_dense"), (value, "_value_dense"))
    projected = sum(_size(getattr(layer, name).kernel) * _known(x[1:-1]) for x, name in parts)
    put_out = _size(layer._output_dense.kernel) * _known(query[1:-1])
    heads = int(getattr(layer, "num_query_heads", None) or layer.num_heads)
    width = int(getattr(layer, "head_dim", None) or layer._key_dim)
    value_width = int(getattr(layer, "_value_dim", None) or width)
    pairs = _known([query[1], key[1]])
    return projected + put_out + heads * pairs * (width + value_width)


def _dot(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    axes = layer.axes if isinstance(layer.axes, int) else layer.axes[0]
    return _known([inputs[0][axes], *outputs[0][1:]])


def _matmul(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    return _known([*outputs[0][1:], inputs[0][-1]])


def _nested(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Add up what the layers of a nested model cost, if it is used with the shapes it has."""
    given = [_shape(tensor) for tensor in getattr(layer, "inputs", None) or ()]
    if not given or [shape[1:] for shape in given] != [shape[1:] for shape in inputs]:
        raise _Open
    return _known(
        [
            sum_of_known(
                multiply_adds(
                    node.operation,
                    [_shape(tensor) for tensor in data_inputs(node)],
                    [_shape(tensor) for tensor in node.outputs],
                )
                for node in calls_between(layer.inputs, layer.outputs)
                if not is_input_call(node)
            )
        ]
    )


def _shape(tensor: Any) -> Shape:
    return tuple(None if size is None else int(size) for size in tensor.shape)


def _nothing(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
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
    "SpectralNormalization": _spectral,
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
        _nothing,
    ),
}


def _size(weight: Any) -> int:
    return math.prod(int(size) for size in weight.shape)


def _places(layer: Any, shape: Shape) -> Shape:
    """Return the lengths of the axes that a window moves over."""
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        return shape[2:]
    return shape[1:-1]
