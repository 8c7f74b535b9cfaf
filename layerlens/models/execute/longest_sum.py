"""Find how many numbers a model adds at most for one number of a result."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
#: Convolutions, and the axis of the kernel that is not summed over: the channels of the result.
_CONVOLUTIONS = {"Conv2D": -1, "Conv3D": -1, "Conv2DBackpropInput": -2, "Conv3DBackpropInputV2": -2}
_REDUCTIONS = ("Sum", "Mean")


def longest_sum(function: Any) -> int:
    """Return the number of terms of the longest sum in the graph of a concrete function.

    Lengths that are unknown until the function is called count as 1.
    """
    return max((_terms(operation) for operation in _operations(function.graph)), default=1)


def _operations(graph: Any) -> Iterator[Any]:
    """Yield the operations of a graph and of the functions that it calls."""
    for operation in graph.get_operations():
        yield operation
        for attribute in operation.op_def.attr:
            if attribute.type == "func":
                name = operation.get_attr(attribute.name).name
                yield from _operations(graph._get_function(name).graph)


def _terms(operation: Any) -> int:
    """Return how many products or numbers an operation adds for one number of its result."""
    if operation.type in _PRODUCTS:
        axis = -2 if operation.get_attr(_transposed(operation)) else -1
        return _sizes(operation.inputs[0])[axis]
    if operation.type in _CONVOLUTIONS:
        kernel = _sizes(operation.inputs[1])
        return prod(kernel) // kernel[_CONVOLUTIONS[operation.type]]
    if operation.type == "DepthwiseConv2dNative":
        return prod(_sizes(operation.inputs[1])[:2])
    if operation.type == "Einsum":
        terms, result = operation.get_attr("equation").decode().split("->")
        summed = {
            letter: size
            for term, given in zip(terms.split(","), operation.inputs, strict=True)
            for letter, size in zip(term, _sizes(given), strict="." not in term)
            if letter not in result
        }
        return prod(summed.values())
    if operation.type in _REDUCTIONS:
        return max(prod(_sizes(operation.inputs[0])) // prod(_sizes(operation.outputs[0])), 1)
    return 1


def _transposed(operation: Any) -> str:
    """Return the attribute that says whether the first factor of a product is transposed."""
    return "transpose_a" if operation.type == "MatMul" else "adj_x"


def _sizes(tensor: Any) -> list[int]:
    """Return the lengths of a tensor's axes; an unknown shape is one axis of length 1."""
    shape = tensor.shape
    return [1, 1] if shape.rank is None else [size or 1 for size in shape.as_list()]
