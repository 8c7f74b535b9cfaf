"""Remove layers without weights from a model and see whether its outputs change."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from layerlens.comparison.effort import FEW_LAYERS, MAX_REMOVALS
from layerlens.comparison.nudges import arrays_differ
from layerlens.comparison.slopes import Direction
from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.input_tensors import tensors_for
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import as_array
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import generator


def unseen_layers(side: Side, sets: Sequence[Values], inputs: Sequence[Array]) -> Iterator[str]:
    """Yield the layers whose removal changes no output; none where the model is not a graph.

    Of many layers, most are not removed: the gradient by their outputs says what removing them
    moves. Layers beyond the limits of `effort` are yielded as well.
    """
    graph = _graph_of(side.float64.built.model) if side.float64.layers else None
    if graph is None:
        return
    remaining = dict(_removable(graph))
    for values in sets:
        if not remaining:
            return
        side.hold(values, "float64")
        removals = _Removals(side, graph)
        for batch in side.float64.batches(inputs):
            for name in removals.layers_that_matter(batch, dict(remaining)):
                remaining.pop(name, None)
    layers = {node.operation.name: node.operation for node in _nodes(graph)}
    for name, passed_on in remaining.items():
        if not _is_identity(layers[name], passed_on, side):
            yield name


def _graph_of(model: Any) -> Any:
    """Return the object with the nodes of a Functional or Sequential model; None for others."""
    graph = getattr(model, "_functional", None) or model
    return graph if hasattr(graph, "_nodes_by_depth") else None


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph in the order in which they are computed, without its inputs."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if not node.is_input)


def _removable(graph: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the layers without weights that can be removed, each with the inputs to pass on.

    These are the inputs that have the output's shape and dtype wherever the layer is called.
    """
    nodes: dict[str, list[Any]] = {}
    for node in _nodes(graph):
        nodes.setdefault(node.operation.name, []).append(node)
    for name, calls in nodes.items():
        if getattr(calls[0].operation, "weights", True):
            continue
        shared = set.intersection(*(set(_inputs_like_output(node)) for node in calls))
        if shared:
            yield name, tuple(sorted(shared))


def _inputs_like_output(node: Any) -> Iterator[int]:
    """Yield the indices of a node's inputs, each tensor once, with its output's shape and dtype."""
    if len(node.output_tensors) != 1:
        return
    output, known = node.output_tensors[0], set()
    for input_index, tensor in enumerate(node.input_tensors):
        alike = tuple(tensor.shape) == tuple(output.shape) and tensor.dtype == output.dtype
        if alike and id(tensor) not in known:
            yield input_index
        known.add(id(tensor))


@dataclass
class _Removals:
    """A model with one set of weights, of which some layers are removed."""

    side: Side
    graph: Any
    #: The runs that are left.
    left: int = MAX_REMOVALS

    def __post_init__(self) -> None:
        self.calls: dict[str, list[Any]] = {}
        for node in _nodes(self.graph):
            self.calls.setdefault(node.operation.name, []).append(node)

    def layers_that_matter(
        self, inputs: Sequence[Array], removable: Mapping[str, Sequence[int]]
    ) -> Iterator[str]:
        """Yield the layers whose removal changes the output; what depends on them runs eagerly.

        For a layer with several inputs, the output has to change whichever of them is passed on:
        otherwise that input could replace the layer.
        """
        self.side.float64.reset_states()
        tensors = tensors_for(self.side.float64.built.model, inputs)
        given = dict(zip(map(id, self.graph.inputs), tensors, strict=True))
        clear: set[str] = set()
        if len(removable) > FEW_LAYERS and not has_foreign_layers(self.side.built):
            whole, clear = self._clearly_matter(given, removable)
        else:
            whole = _evaluated(self.graph, given, self.side.training)
        yield from clear
        before = _outputs(self.side, self.graph, whole)
        for name, input_indices in removable.items():
            if name not in clear and all(
                self._changes_without(whole, before, self.calls[name], input_index)
                for input_index in input_indices
            ):
                yield name

    def _clearly_matter(
        self, given: Mapping[int, Any], removable: Mapping[str, Sequence[int]]
    ) -> tuple[Mapping[int, Any], set[str]]:
        """Return all values, and the layers whose removal moves an output, to first order."""
        with tf.GradientTape() as tape:
            tape.watch([tensor for tensor in given.values() if tensor.dtype.is_floating])
            whole = _evaluated(self.graph, given, self.side.training)
            outputs = [whole[id(tensor)] for tensor in self.graph.outputs]
            direction = Direction.of(self.side, Outcome(tuple(map(as_array, outputs))))
            if direction is None:
                return whole, set()
            floating = (output for output in outputs if output.dtype.is_floating)
            total = tf.add_n(
                [
                    tf.reduce_sum(tf.cast(output, "float64") * tf.constant(along))
                    for output, along in zip(floating, direction.arrays, strict=True)
                ]
            )
        # The slopes of several calls of a layer would have to be added up.
        nodes = {name: self.calls[name][0] for name in removable if len(self.calls[name]) == 1}
        made = {name: whole[id(node.output_tensors[0])] for name, node in nodes.items()}
        made = {name: tensor for name, tensor in made.items() if tensor.dtype.is_floating}
        try:
            slopes = tape.gradient(total, made)
        except (LookupError, tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return whole, set()  # an operation without a gradient in this precision
        return whole, {
            name
            for name, slope in slopes.items()
            if slope is not None
            and all(
                _clearly_moves(
                    direction, slope, made[name], whole[id(nodes[name].input_tensors[index])]
                )
                for index in removable[name]
            )
        }

    def _changes_without(
        self,
        whole: Mapping[int, Any],
        before: Sequence[Array],
        calls: Sequence[Any],
        input_index: int,
    ) -> bool:
        """Return whether the output changes where a layer's calls return one of their inputs."""
        passed_on = ((node.input_tensors[input_index], node.output_tensors[0]) for node in calls)
        if not any(arrays_differ(*(as_array(whole[id(t)]) for t in both)) for both in passed_on):
            return False
        if self.left <= 0:
            return False
        self.left -= 1
        self.side.float64.reset_states()
        without = dict.fromkeys(calls, input_index)
        try:
            values = _evaluated(self.graph, whole, self.side.training, without)
        except Exception:  # a layer may refuse what it gets now, such as too few steps
            return True
        after = _outputs(self.side, self.graph, values)
        return any(map(arrays_differ, before, after))


def _clearly_moves(direction: Direction, slope: Any, made: Any, instead: Any) -> bool:
    """Return whether an output moves, to first order, where a layer returns something else.

    Axes that are open when a model is built may turn out different, as around a padding.
    """
    if made.shape != instead.shape:
        return False
    return direction.clearly_moves(
        [as_array(tf.convert_to_tensor(slope))], [_double(instead) - _double(made)]
    )


def _evaluated(
    graph: Any,
    known: Mapping[int, Any],
    training: bool,
    without: Mapping[Any, int] = MappingProxyType({}),
) -> Mapping[int, Any]:
    """Return the value of every tensor of a graph by its id, computing those not `known`.

    `without` has the nodes to remove, each with the index of the input to return instead. What
    depends on them is computed again.
    """
    computed: dict[int, Any] = {}
    values = ChainMap(computed, known)  # type: ignore[arg-type]
    for node in _nodes(graph):
        if node in without:
            computed[id(node.output_tensors[0])] = values[id(node.input_tensors[without[node]])]
            continue
        is_known = all(id(tensor) in known for tensor in node.output_tensors)
        if is_known and not any(id(tensor) in computed for tensor in node.input_tensors):
            continue
        results = _call_node(node, values, training)
        computed.update(zip(map(id, node.output_tensors), results, strict=True))
    return values


def _call_node(node: Any, values: Mapping[int, Any], training: bool) -> list[Any]:
    """Call a node's layer on the values of its tensors, which are given by id."""
    arguments, named = node.arguments.fill_in(values)
    if getattr(node.operation, "_call_has_training_arg", False):
        named = {**named, "training": training}
    return _flatten(node.operation(*arguments, **named))


def _outputs(side: Side, graph: Any, values: Mapping[int, Any]) -> tuple[Array, ...]:
    found = tuple(as_array(values[id(tensor)]) for tensor in graph.outputs)
    return side.selected(Outcome(found)).outputs


def _double(tensor: Any) -> NDArray[np.float64]:
    return as_array(tensor).astype(np.float64)


def _flatten(outputs: Any) -> list[Any]:
    return list(keras.tree.flatten(outputs))


def _is_identity(layer: Any, input_indices: Sequence[int], side: Side) -> bool:
    """Return whether a layer always returns one of these inputs.

    The layer is called on wide signed values, the same ones wherever it takes the same tensor.
    """
    node = layer._inbound_nodes[0]
    if not tf.as_dtype(str(node.output_tensors[0].dtype)).is_floating:
        return True
    rng = generator(0, "identity", layer.name)
    identical = set(input_indices)
    for scale in (1e-4, 1.0, 30.0, 1e4):
        values: dict[int, Any] = {}
        for tensor in node.input_tensors:
            shape = [2 if n is None else int(n) for n in tensor.shape]
            drawn = scale * rng.standard_normal((8, *shape[1:]))
            values.setdefault(id(tensor), tf.cast(drawn, str(tensor.dtype)))
        (result,) = _call_node(node, values, side.training)
        identical = {
            input_index
            for input_index in identical
            if not arrays_differ(
                as_array(values[id(node.input_tensors[input_index])]), as_array(result)
            )
        }
    return bool(identical)
