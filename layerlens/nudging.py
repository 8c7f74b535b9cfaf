"""A model's description becomes the same one with its numbers moved by a unit of float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from layerlens.scenario import LayerSpec, ModelSpec

#: Arguments whose numbers do not reach the outputs that are compared.
_BESIDE = ("_initializer", "_regularizer", "_constraint", "momentum", "rate", "dropout", "seed")


def nudged(spec: ModelSpec) -> ModelSpec | None:
    """Move every number of the layers that float32 cannot hold to its next in float32.

    Some layers round their constants to float32 whatever the dtype policy; what such a step
    changes is what that rounding may change. None where there is no such number, or where the
    model is not described layer by layer.
    """
    if spec.form not in ("layers", "graph"):
        return None
    layers = tuple(_nudged_layer(layer) for layer in spec.layers)
    nodes = tuple(
        replace(node, layer=_nudged_layer(node.layer)) if node.layer is not None else node
        for node in spec.nodes
    )
    moved = replace(spec, layers=layers, nodes=nodes, weights={})
    return None if (layers, nodes) == (spec.layers, spec.nodes) else moved


def _nudged_layer(layer: LayerSpec) -> LayerSpec:
    arguments = {
        key: value if key.endswith(_BESIDE) else _nudged_value(value)
        for key, value in layer.arguments.items()
    }
    return replace(layer, arguments=arguments)


def _nudged_value(value: Any) -> Any:
    if isinstance(value, float) and float(np.float32(value)) != value:
        return float(np.nextafter(np.float32(value), np.float32(np.copysign(np.inf, value))))
    if isinstance(value, LayerSpec):
        return _nudged_layer(value)
    if isinstance(value, Mapping):
        return {key: _nudged_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_nudged_value(item) for item in value)
    return value
