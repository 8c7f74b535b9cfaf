"""The order in which a model calls its layers, where that is not the order of its weights.

Keras lists the weights of a subclass by the order of its attributes, whatever its `call` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import tensorflow as tf

from layerlens.models.build.request import Built
from layerlens.models.execute.layer_calls import traced_call
from layerlens.models.execute.layer_walk import graph_of, nodes_of
from layerlens.models.execute.tracing import trace_call
from layerlens.models.execute.variables import given_weights, weight_rows, weight_variables
from layerlens.models.inspect.nested_layers import (
    direct_layers,
    flat_layers,
    is_keras_class,
    with_nested,
)
from layerlens.numerics.weight_transfer import Pairing, Transfer, pair_in_order
from layerlens.scenario.spec import TransferRule


def paired_by_calls(
    reference: Built, candidate: Built, rule: TransferRule, found: Transfer
) -> Transfer | None:
    """Return the transfer with weights paired in the order of the calls.

    None where the rule is not `auto`, where both models list their weights in that order, where the
    weights do not fit in it either, or where names that the user gave say that the transfer `found`
    pairs the right ones.
    """
    if rule != "auto" or any(map(given_weights, (reference, candidate))):
        return None
    orders = call_order(reference), call_order(candidate)
    if all(order == tuple(range(len(order))) for order in orders):
        return None
    transfer = pair_in_order(weight_rows(reference), weight_rows(candidate), *orders)
    if not transfer.complete:
        return None
    crossed = set(found.pairings) - set(transfer.pairings)
    if found.complete and (not crossed or _named_alike(crossed, found, reference, candidate)):
        return None
    return replace(transfer, method="call_order")


def _named_alike(
    pairings: set[Pairing], transfer: Transfer, reference: Built, candidate: Built
) -> bool:
    """Return whether the user gave the layers of all these pairs the same names."""
    given = [_given_names(built) for built in (reference, candidate)]
    for pairing in pairings:
        one = transfer.sources(pairing)[0].path.split("/")[-2:]
        other = transfer.candidate[pairing.candidate].path.split("/")[-2:]
        if one != other or not all(one[0] in names for names in given):
            return False
    return True


def _given_names(built: Built) -> set[str]:
    """Return the names of layers that Keras did not make from their class."""
    return {
        str(layer.name)
        for layer in flat_layers(built.model)
        if re.sub(r"_\d+$", "", str(layer.name)) != _snake(type(layer).__name__)
    }


def _snake(name: str) -> str:
    """Return the name that Keras makes from a class name."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def call_order(built: Built) -> tuple[int, ...]:
    """Return the positions of a model's weights in the order in which its layers are called.

    The layers of a graph come in the order in which they are written, and so do those inside Keras'
    own layers; those inside the user's layers in the order of their first call.
    """
    variables = weight_variables(built)
    places = {id(variable): place for place, variable in enumerate(variables)}
    graph = graph_of(built.model)
    if graph is None or not any(map(_may_cross, flat_layers(built.model))):
        return tuple(range(len(variables)))
    called = _first_calls(built, graph)
    layers = {layer.name: layer for layer in built.model.layers}
    ordered: dict[int, None] = {}
    for row in built.report.layers:
        if row.name in layers:
            for variable in _weights(layers[row.name], called):
                ordered.setdefault(places[id(variable)])
    return tuple(dict.fromkeys((*ordered, *range(len(variables)))))


def _may_cross(layer: Any) -> bool:
    """Return whether a layer's code decides in which order two layers or more are called."""
    if is_keras_class(layer):
        return False
    return sum(bool(held.weights) for held in direct_layers(layer)) > 1


def _weights(layer: Any, called: dict[int, int]) -> Iterator[Any]:
    held = list(direct_layers(layer))
    if not held or (is_keras_class(layer) and not hasattr(layer, "layers")):
        yield from layer.weights
        return
    inside = {id(variable) for one in held for variable in one.weights}
    yield from (variable for variable in layer.weights if id(variable) not in inside)
    if not is_keras_class(layer):
        held.sort(key=lambda one: called.get(id(one), len(called)))
    for one in held:
        yield from _weights(one, called)


def _first_calls(built: Built, graph: Any) -> dict[int, int]:
    """Return the ids of the layers inside the user's layers, numbered in the order of their calls.

    The user's layers are traced. Empty where their code cannot be traced.
    """
    order: dict[int, int] = {}
    nodes = [node for node in nodes_of(graph) if any(map(_may_cross, with_nested(node.operation)))]
    held = [one for node in nodes for one in _inside(node.operation)]
    watched = {id(one): one for one in held}.values()
    try:
        for layer in watched:
            _watch(layer, order)
        for node in nodes:
            symbols, apply = traced_call(node, training=False)
            specs = [_spec(tensor, built.batch_size) for tensor in symbols]
            trace_call(apply, specs)
    except Exception:  # the user's code may raise anything; no other order is known then
        return {}
    finally:
        for layer in watched:
            vars(layer).pop("call", None)
    return order


def _inside(operation: Any) -> Sequence[Any]:
    return [layer for layer in with_nested(operation) if layer is not operation]


def _watch(layer: Any, order: dict[int, int]) -> None:
    """Number a layer when it is called; removing `call` from the instance ends that."""
    call = layer.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        order.setdefault(id(layer), len(order))
        return call(*args, **kwargs)

    if "call" not in vars(layer):
        vars(layer)["call"] = watched


def _spec(tensor: Any, batch_size: int | None) -> tf.TensorSpec:
    return tf.TensorSpec((batch_size, *tensor.shape[1:]), tensor.dtype)
