"""Conversions to half precision in traced graphs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from layerlens.models.execute.tracing import graph_nodes
from layerlens.numerics.dtype_range import HALF


def conversions_to_half(function: Any) -> int:
    """Return how often a traced graph converts floating numbers to half precision."""
    casts = (node for node in graph_nodes(function) if node.op == "Cast")
    return sum(
        tf.as_dtype(node.attr["SrcT"].type) in (tf.float32, tf.float64)
        and tf.as_dtype(node.attr["DstT"].type).name in HALF
        for node in casts
    )
