"""What two models share: names of paired weights, and the layers with which both begin."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from layerlens.models.build.request import Built
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import weight_variables
from layerlens.models.inspect.call_graph import calls_between
from layerlens.models.inspect.nested_layers import layers_told_to_train, with_nested
from layerlens.numerics.arrays import Array
from layerlens.numerics.weight_changes import Change
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.expressions import (
    Numbering,
    activation_name,
    is_graph,
    read_call,
    signature_of,
)
from layerlens.proof.keras_layers import activation_host


@dataclass(frozen=True, slots=True)
class MadeName:
    """The name of a weight whose values are those of others, moved."""

    #: The names and shapes of the weights it is made from.
    sources: tuple[tuple[Hashable, tuple[int, ...]], ...]
    change: Change


def variable_names(reference: Built, candidate: Built, transfer: Transfer) -> dict[int, Hashable]:
    """Return a name for each weight of both models by its id.

    Weights of one name have the same values in row-major order. One that is made from others in
    another way has a `MadeName`.
    """
    reference_weights, candidate_weights = weight_variables(reference), weight_variables(candidate)
    pairings = {pairing.candidate: pairing for pairing in transfer.pairings}
    names: dict[int, Hashable] = {id(v): ("paired", i) for i, v in enumerate(reference_weights)}
    for position, variable in enumerate(candidate_weights):
        pairing = pairings.get(position)
        if pairing is None:
            names[id(variable)] = ("own", position)
        elif pairing.has_same_values:
            names[id(variable)] = ("paired", pairing.sources[0])
        else:
            assert pairing.change is not None
            sources = tuple(
                (("paired", source), transfer.reference[source].shape) for source in pairing.sources
            )
            names[id(variable)] = MadeName(sources, pairing.change)
    return names


def has_same_weights(candidate: Built, transfer: Transfer) -> bool:
    """Return whether weights of one name have equal values in every comparison."""
    return not (transfer.method == "none" and transfer.reference) and not candidate.spec.weights


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """The layers with which two models begin, to run these once when both are called eagerly.

    A recurrent layer called eagerly runs step by step in Python, which is by far the slowest call.
    """

    reference: Side
    candidate: Side
    #: A model from the inputs to the reference's outputs and to the inputs of `rest`.
    whole: Any
    #: A model from the shared tensors to the candidate's outputs.
    rest: Any

    def start(
        self, values: tuple[Values, Values], inputs: Sequence[Array], seed: int | None
    ) -> tuple[Callable[[], Outcome], Callable[[], Outcome]] | None:
        """Call both with these weights; None where one refuses (called alone, it has the error)."""
        sides = (self.reference, self.candidate)
        for side, own in zip(sides, values, strict=True):
            side.hold(own, "working")
            side.working.reset_states(seed)
        runner = self.reference.working.keras
        both = runner.in_two_parts(self.whole, self.rest, inputs) if runner else None
        if both is None:
            return None
        one, other = (side.selected(part) for side, part in zip(sides, both, strict=True))
        return (lambda: one), (lambda: other)


def find_shared_prefix(reference: Side, candidate: Side, transfer: Transfer) -> SharedPrefix | None:
    """Return the layers with which two models begin; None without a recurrent one among them."""
    one, other = reference.built, candidate.built
    if reference.training or not has_same_weights(other, transfer):
        return None
    if any(any(layers_told_to_train(built.model)) for built in (one, other)):
        return None  # parts of a model are called in inference
    if not all(is_graph(built.model) and built.batch_size is None for built in (one, other)):
        return None
    names = variable_names(one, other, transfer)
    numbering = Numbering()
    ours, theirs = (numbered_tensors(built.model, names, numbering) for built in (one, other))
    known = {key: tensor for tensor, key in ours.values() if key is not None}
    numbers = {i: key for i, (_, key) in theirs.items() if key is not None and key in known}
    cuts = last_shared(other.model, numbers)
    shared = [tensor for tensor in cuts if id(tensor) not in map(id, other.model.inputs)]
    if not _contains_recurrent(other.model.inputs, shared):
        return None
    if any(getattr(tensor, "_keras_mask", None) is not None for tensor in cuts):
        return None  # a mask is not part of the graph and would be lost
    if {id(tensor) for tensor in cuts} & set(map(id, other.model.outputs)):
        return None  # there is nothing left to call for an output that both share
    return _split(reference, candidate, [known[numbers[id(t)]] for t in cuts], cuts)


def _split(
    reference: Side, candidate: Side, ours: Sequence[Any], theirs: Sequence[Any]
) -> SharedPrefix:
    one, other = reference.built.model, candidate.built.model
    whole = keras.Model(one.inputs, [*one.outputs, *ours])
    return SharedPrefix(reference, candidate, whole, keras.Model(list(theirs), other.outputs))


#: Every tensor by its id, with its number; None: its computation is not known.
Keyed = dict[int, tuple[Any, int | None]]


def numbered_tensors(model: Any, names: Mapping[int, Hashable], numbering: Numbering) -> Keyed:
    """Number every tensor of a model; tensors computed by equal layers have equal numbers.

    A key holds the numbers of a layer's inputs instead of their keys, since these would grow with
    the number of paths, which doubles with every block of a residual chain.
    """
    graph = getattr(model, "_functional", None) or model
    keyed: Keyed = {id(t): (t, numbering.of(("input", i))) for i, t in enumerate(graph.inputs)}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if all(id(tensor) in keyed for tensor in node.outputs):
                continue
            key = _key(node, keyed, names)
            for index, tensor in enumerate(node.outputs):
                keyed[id(tensor)] = (tensor, None if key is None else numbering.of((key, index)))
    return keyed


def _key(node: Any, keyed: Keyed, names: Mapping[int, Hashable]) -> Hashable:
    call = read_call(node)
    if call is None or not all(id(tensor) in keyed for tensor in call.tensors):
        return None
    inputs = tuple(keyed[id(tensor)][1] for tensor in call.tensors)
    key = call_key(node, names)
    return None if key is None or None in inputs else (key, inputs)


def call_key(node: Any, names: Mapping[int, Hashable]) -> Hashable:
    """Return a key of what a call computes from its inputs; None where it is unknown."""
    layer, call = node.operation, read_call(node)
    if call is None:
        return None
    signature = signature_of(layer, call.form, names)
    host = activation_host(layer)
    activation = None if host is None else activation_name(host)
    if signature is None or (host is not None and activation is None):
        return None
    masks = tuple(getattr(held, "mask_zero", None) for held in with_nested(layer))
    return (signature, activation, masks)


def last_shared(model: Any, shared: Collection[int]) -> list[Any]:
    """Return the last shared tensors, from which all outputs can be computed."""
    graph = getattr(model, "_functional", None) or model
    sources = {
        id(tensor): node
        for nodes in graph._nodes_by_depth.values()
        for node in nodes
        for tensor in node.outputs
    }
    given = set(map(id, graph.inputs))
    found: dict[int, Any] = {}
    waiting, seen = list(graph.outputs), set()
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if id(tensor) in shared or id(tensor) in given:
            found[id(tensor)] = tensor
        else:
            waiting.extend(sources[id(tensor)].input_tensors)
    return list(found.values())


def _contains_recurrent(inputs: Sequence[Any], outputs: Sequence[Any]) -> bool:
    """Return whether a recurrent layer is between these tensors."""
    held = (part for node in calls_between(inputs, outputs) for part in with_nested(node.operation))
    return any(isinstance(part, keras.layers.RNN) for part in held)
