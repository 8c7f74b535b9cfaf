"""Find what is still float32 in the traced graph of a float64 model."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from layerlens.models.execute.tracing import graph_nodes


@dataclass(frozen=True, slots=True)
class Float32Residue:
    """The parts of a float64 model that are float32: rounded constants, and computations."""

    constants: frozenset[float]
    computed: bool


def float32_residue(function: Any, written: Collection[float]) -> Float32Residue:
    """Return what in the graph of a concrete function computes in, or was rounded to, float32.

    Keras and TensorFlow take some constants (a slope, a scale) as float32 whatever the dtype
    policy says: the op's attribute has no float64 form, or Python's number went through float32.
    A number that equals one of `written`, the numbers in the layers' descriptions, was not rounded.
    """
    nodes = list(graph_nodes(function))
    names = {node.name for node in nodes if node.op == "Const"}
    constants = {value for node in nodes for value in _rounded_constants(node, written)}
    computed = any(_computes_in_float32(node, names) for node in nodes)
    return Float32Residue(frozenset(constants), computed)


def _rounded_constants(node: Any, written: Collection[float]) -> Iterator[float]:
    """Yield the numbers in a graph node of a float64 model that look rounded to float32.

    A number that float32 holds as it was written (1.0, 0.5) is not rounded by going through it.
    """
    values: list[float] = []
    if node.op == "LeakyRelu":  # its slope is a float32 attribute
        values = [float(node.attr["alpha"].f)]
    floats = {*_narrow(), tf.float64.as_datatype_enum}
    if node.op == "Const" and node.attr["dtype"].type in floats:
        array = np.atleast_1d(tf.make_ndarray(node.attr["value"].tensor)).ravel()[:16]
        values = [float(value) for value in array]
    yield from (value for value in values if _is_rounded(value, written))


def _computes_in_float32(node: Any, constants: Collection[str]) -> bool:
    """Return whether a graph node of a float64 model works in a narrower floating dtype."""
    if node.op in ("LeakyRelu", "Const"):
        return False
    if node.op == "Cast":
        source = node.input[0].split(":")[0]
        return node.attr["SrcT"].type in _narrow() and source not in constants
    return any(node.attr[key].type in _narrow() for key in ("T", "dtype") if key in node.attr)


def _narrow() -> set[int]:
    dtypes = (tf.float32, tf.float16, tf.bfloat16)
    return {dtype.as_datatype_enum for dtype in dtypes}


def _is_rounded(value: float, written: Collection[float]) -> bool:
    """Return whether a number looks like one with few digits that went through float32."""
    return bool(
        np.isfinite(value)
        and value not in written
        and value == np.float32(value)
        and float(f"{value:.7g}") != value
    )
