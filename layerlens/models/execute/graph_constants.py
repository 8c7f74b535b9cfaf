"""Numbers in traced graphs at which user code may jump.

The code of a layer shows the numbers that are written in it. A graph also has those that code
computes, parses or looks up while it is traced: the square of a number, an array in a closure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import (
    FAR_INTEGER,
    FEW_CONSTANTS,
    GREATEST_CONSTANT,
    LEAST_CONSTANT,
    MOST_CONSTANTS,
    has_foreign_layers,
    is_small_whole,
)
from layerlens.models.execute.tracing import graph_nodes
from layerlens.models.inspect.nested_layers import operation_nodes

#: Arrays with more numbers are tables, not thresholds.
_MOST_NUMBERS = 4096


def may_hold_constants(built: Built) -> bool:
    """Return whether the graph of a model may hold numbers that no configuration tells."""
    return has_foreign_layers(built) or any(True for _ in operation_nodes(built.model))


def constants_in_graph(function: Any) -> tuple[float, ...]:
    """Return the numbers in the graph of a concrete function that inputs may be compared with.

    Small whole numbers are left out: they are axes and counts, and probes meet them anyway.
    """
    found: dict[float, None] = {}
    for node in graph_nodes(function):
        if node.op == "Const":
            found.update(dict.fromkeys(_numbers(node.attr["value"].tensor)))
        if len(found) >= MOST_CONSTANTS:
            break
    return tuple(found)[:MOST_CONSTANTS]


def _numbers(tensor: Any) -> Iterator[float]:
    dtype = tf.as_dtype(tensor.dtype)
    shape = [axis.size for axis in tensor.tensor_shape.dim]
    if not (dtype.is_floating or dtype.is_integer) or np.prod(shape) > _MOST_NUMBERS:
        return
    distinct = np.unique(tf.make_ndarray(tensor).astype(np.float64))
    if len(distinct) > FEW_CONSTANTS:
        return
    for number in distinct.tolist():
        if is_small_whole(number) or not LEAST_CONSTANT <= abs(number) <= GREATEST_CONSTANT:
            continue
        if dtype.is_floating or abs(number) < FAR_INTEGER:
            yield number
