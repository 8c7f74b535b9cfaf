"""Whether equal outputs of two graphs imply equal gradients."""

from __future__ import annotations

from typing import Any

from layerlens.models.execute.tracing import graph_nodes

#: Operations whose registered gradient is not that of their result. A fused batch normalization
#: passes nothing on to the statistics that it is given.
_OTHER_GRADIENT = (
    "StopGradient",
    "PreventGradient",
    "FusedBatchNorm",
    "FakeQuant",
    "QuantizeAndDequantize",
    "AssignVariableOp",
)
#: Operations with an infinite slope somewhere; where a slope of 0 follows, the product is NaN.
_INFINITE_SLOPE = ("Sqrt", "Pow")
#: Operations that are not defined everywhere: where one is not, and a selection leaves the result
#: out, its gradient is NaN all the same.
_PARTIAL = ("Rsqrt", "Log", "Log1p", "RealDiv", "Div", "Xdivy", "Xlogy", "Reciprocal", "Inv")
_SELECTION = ("Select", "SelectV2", "Where")


def gradients_follow_outputs(function: Any) -> bool:
    """Return whether the gradients of a traced function are the derivatives of its outputs.

    False where an operation stops or replaces a gradient (`tf.stop_gradient`,
    `tf.custom_gradient`, a state that is assigned and read again), or may make it NaN at a point
    where the output is finite.
    """
    kinds = set()
    for node in graph_nodes(function):
        if "_gradient_op_type" in node.attr:
            return False
        kinds.add(node.op)
    if any(kind.startswith(_OTHER_GRADIENT) or kind in _INFINITE_SLOPE for kind in kinds):
        return False
    return not (kinds.intersection(_PARTIAL) and kinds.intersection(_SELECTION))
