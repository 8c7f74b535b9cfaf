"""The layers, operations and weights inside a Keras layer or model."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any

#: Modules whose code is known.
TRUSTED = ("builtins", "keras.", "numpy", "tensorflow.")


def flat_layers(model: Any) -> Iterator[Any]:
    """Yield every layer inside a model at any depth, without the model itself.

    A model that is not one of Keras' has none.
    """
    if hasattr(model, "_flatten_layers"):
        yield from model._flatten_layers(include_self=False)


def computed_dtypes(model: Any) -> frozenset[str]:
    """Return the dtypes that the layers of a model compute in."""
    layers = (layer for layer in flat_layers(model) if type(layer).__name__ != "InputLayer")
    return frozenset(str(layer.compute_dtype) for layer in layers)


def operation_nodes(model: Any) -> Iterator[Any]:
    """Yield the nodes in a model's graph, and in nested graphs, that call an operation."""
    for graph in with_nested(model):
        for nodes in getattr(graph, "_nodes_by_depth", {}).values():
            yield from (node for node in nodes if not hasattr(node.operation, "_flatten_layers"))


def is_test_of_masking(node: Any) -> bool:
    """Return whether a node compares a tensor with a number, or joins such results of one step.

    Keras' layers compute masks in this way, sample by sample.
    """
    operation = node.operation
    if type(operation).__module__ != "keras.src.ops.numpy" or len(node.input_tensors) != 1:
        return False
    match type(operation).__name__:
        case "NotEqual":
            arguments = (*node.arguments.args, *node.arguments.kwargs.values())
            return any(isinstance(value, (int, float)) for value in arguments)
        case "Any":
            return operation.axis in (-1, [-1]) and len(node.input_tensors[0].shape) > 1
    return False


def layers_told_to_train(model: Any) -> Iterator[Any]:
    """Yield the layers that the user called with `training=True` when the model was made.

    `model(x)` keeps that mode, and `predict` overrules it.
    """
    return (layer for layer in _called_to_train(model) if not trains_by_default(layer))


def layers_training_by_default(model: Any) -> Iterator[Any]:
    """Yield the layers that run in training mode by default, as Keras' augmentation layers do.

    That is the default of their `call`. `model(x)` keeps it, and `predict` overrules it.
    """
    return filter(trains_by_default, _called_to_train(model))


def _called_to_train(model: Any) -> Iterator[Any]:
    for graph in with_nested(model):
        for nodes in getattr(graph, "_nodes_by_depth", {}).values():
            for node in nodes:
                if node.arguments is not None and node.arguments.kwargs.get("training") is True:
                    yield node.operation


def trains_by_default(layer: Any) -> bool:
    """Return whether the `call` of a layer has `training=True` as its default."""
    given = signature(layer.call).parameters.get("training")
    return given is not None and given.default is True


def with_nested(layer: Any) -> Iterator[Any]:
    """Yield a layer and every layer inside it; an operation of `keras.ops` yields only itself."""
    yield layer
    if hasattr(layer, "_flatten_layers"):
        yield from flat_layers(layer)


def direct_layers(layer: Any) -> Iterator[Any]:
    """Yield the layers that a layer holds itself, each once, without input layers."""
    for held in {id(held): held for held in getattr(layer, "_layers", ())}.values():
        if type(held).__name__ != "InputLayer":
            yield held


def is_keras_class(layer: Any) -> bool:
    """Return whether Keras defines the class of a layer or operation, not the user."""
    return type(layer).__module__.startswith("keras.")


def weights_of(operation: Any) -> tuple[Any, ...]:
    """Return the weights of a layer; an operation such as `bincount` has none."""
    return tuple(operation.weights) if hasattr(operation, "trainable_weights") else ()
