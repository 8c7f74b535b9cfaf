"""Put the layers of nested models into the graph of the model around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from layerlens.models.build.symbolic import functional


@dataclass(frozen=True)
class InlinedModel:
    """A model without nested models; it shares the layers, and so the weights, of the original."""

    model: Any
    #: id of a layer inside a nested model → its path, such as `base/dense`.
    paths: Mapping[int, str] = field(default_factory=dict)

    def name_of(self, operation: Any) -> str:
        """Return the name of a layer or operation, by its path in a nested model."""
        return self.paths.get(id(operation), str(operation.name))


def inlined(model: Any) -> InlinedModel:
    """Return a model with the layers of nested models called one by one.

    A nested model that receives arguments besides its inputs stays as it is. So does the whole
    model where layers of two nested models have the same name, which Keras does not allow in one
    model.
    """
    if not any(_graph_of(layer) is not None for layer in model.layers):
        return InlinedModel(model)
    paths: dict[int, str] = {}
    tensors = [
        keras.Input(one.shape[1:], batch_size=one.shape[0], dtype=one.dtype, name=one.name)
        for one in model.inputs
    ]
    outputs = _run(_graph_of(model) or model, tensors, paths, "")
    try:
        made = functional(tuple(tensors), tuple(keras.tree.flatten(outputs)), model.name)
    except ValueError:  # two operations of one name
        return InlinedModel(model)
    return InlinedModel(made, paths)


def _run(graph: Any, tensors: list[Any], paths: dict[int, str], prefix: str) -> Any:
    def call_of(operation: Any) -> Callable[..., Any]:
        inner = _graph_of(operation)
        if prefix:
            paths[id(operation)] = f"{prefix}{operation.name}"
        if inner is None:
            return operation  # type: ignore[no-any-return]  # a layer is callable

        def call(*args: Any, **kwargs: Any) -> Any:
            if any(value is not None for name, value in kwargs.items() if name != "mask"):
                return operation(*args, **kwargs)
            given = keras.tree.flatten(args)
            masks = kwargs.get("mask")
            for tensor, mask in zip(given, keras.tree.flatten(masks), strict=False):
                if mask is not None:
                    tensor._keras_mask = mask  # as a functional model does when it is called
            path = paths.get(id(operation), operation.name)
            return _run(inner, given, paths, f"{path}/")

        return call

    given = tensors[0] if len(tensors) == 1 else tensors
    return graph._run_through_graph(given, operation_fn=call_of)


def _graph_of(layer: Any) -> Any:
    """Return the functional model of a nested model; None for any other layer."""
    graph = getattr(layer, "_functional", layer)  # that of a Sequential
    return graph if hasattr(graph, "_run_through_graph") and layer.built else None
