"""The layers that a Keras layer or model holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def flat_layers(model: Any) -> Iterator[Any]:
    """Yield every layer of a model, the ones that wrappers hold among them."""
    yield from model._flatten_layers(include_self=False)


def operation_nodes(model: Any) -> Iterator[Any]:
    """Yield the nodes at which graphs, nested ones among them, call operations and not layers."""
    for graph in with_nested(model):
        for nodes in getattr(graph, "_nodes_by_depth", {}).values():
            yield from (node for node in nodes if not hasattr(node.operation, "_flatten_layers"))


def with_nested(layer: Any) -> Iterator[Any]:
    """Yield a layer and every layer that it holds; an operation of `keras.ops` holds none."""
    yield layer
    if hasattr(layer, "_flatten_layers"):
        yield from flat_layers(layer)


def weights_of(operation: Any) -> tuple[Any, ...]:
    """Return the weights of a layer; an operation such as `bincount` has none, only arguments."""
    return tuple(operation.weights) if hasattr(operation, "trainable_weights") else ()
