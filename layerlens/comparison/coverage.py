"""Find weights and layers whose faults the probes could not have detected."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from layerlens.comparison.examination import Examination
from layerlens.models.execute.input_tensors import tensors_for
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.receptive_field import receptive_field
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import as_array, weight_variables
from layerlens.models.execute.weight_sets import moderate_sets
from layerlens.models.inspect.nested_layers import with_nested
from layerlens.numerics.arrays import Array, per_sample_max
from layerlens.numerics.differences import distance
from layerlens.numerics.noise_floor import ROUNDOFF64
from layerlens.numerics.probes import generator
from layerlens.plain import stage
from layerlens.proof.influence import without_influence

#: The least change of an output, in float64 roundoffs of its own size and of the greatest value in
#: its sample, that is not rounding.
MIN_CHANGE = 2.0**20
MIN_CHANGE_IN_SAMPLE = 2.0**12


@dataclass(frozen=True, slots=True)
class Coverage:
    """The weights and layers on which no observed output depends, in the models' order."""

    #: A fault in one of these could have gone undetected.
    unseen: tuple[str, ...] = ()
    #: Weights on which no output depends, whatever the input: this is proved.
    without_influence: tuple[str, ...] = ()


def coverage_of_probes(examination: Examination) -> Coverage:
    """Return what the observed outputs do not depend on, and what of it they cannot depend on."""
    stage.enter("finding out which weights and layers the probes can see")
    found: list[str] = []
    proved: list[str] = []
    for side, names in zip(examination.sides, _unseen_by_probes(examination), strict=True):
        weights = {str(variable.path) for variable in weight_variables(side.built)}
        paths = weights.intersection(names)
        powerless = without_influence(side, paths, seed=examination.seed).paths
        found += [name for name in names if name not in powerless]
        proved += [name for name in names if name in powerless]
    return Coverage(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(proved)))


def _unseen_by_probes(examination: Examination) -> Iterator[tuple[str, ...]]:
    """Yield the weights and layers of each model on which no observed output depends."""
    main = examination.main
    seen = [one.batch for one in examination.observations if one.weights == main.kind]
    drawn = moderate_sets(examination.sets)
    lengths = examination.lengths
    far = lengths.far_batches or [max(seen, key=lambda batch: batch.inputs[0].shape[1:])]
    far_inputs = [batch.inputs for batch in far]
    tried = {
        axis: max(array.shape[axis] for one in far_inputs for array in one if array.ndim > axis)
        for axis in lengths.reach.shortfall
    }
    for side, values in (
        (examination.reference, [one.reference for one in drawn]),
        (examination.candidate, [one.candidate for one in drawn]),
    ):
        yield (
            *unseen(side, values, seen[0].inputs, examination.seed),
            *unseen_far(side, values[:1], far_inputs, tried, lengths.longest, examination.seed),
        )


def unseen(
    side: Side, sets: Sequence[Values], inputs: Sequence[Array], seed: int
) -> tuple[str, ...]:
    """Return the weights and layers of one model on which its outputs do not depend.

    Each weight is perturbed alone: with one of the `sets` of weights, an output has to change by
    more than rounding. Each layer without weights that keeps its shape is removed: the output has
    to change, unless the layer is the identity on any input.
    """
    return (*_unseen_weights(side, sets, inputs, seed), *_unseen_layers(side, sets, inputs))


def _unseen_weights(
    side: Side, sets: Sequence[Values], inputs: Sequence[Array], seed: int
) -> Iterator[str]:
    runner = side.float64.keras
    for position, slot in enumerate(side.float64.slots()):
        if side.training and runner is not None and not runner.variables[position].trainable:
            continue  # a statistic that training only writes
        if not slot.dtype.startswith(("float", "bfloat")) or 0 in slot.shape:
            continue
        if not any(_shows_perturbation(side, values, position, inputs, seed) for values in sets):
            yield slot.path


def unseen_far(
    side: Side,
    sets: Sequence[Values],
    batches: Sequence[Sequence[Array]],
    tried: Mapping[int, int],
    near: int,
    seed: int,
) -> Iterator[str]:
    """Yield the weights and layers of one model whose far steps no probe reached.

    Where the corners of a kernel are `near` input steps or more apart, each corner is perturbed
    alone, on the `batches` of the greatest lengths. A layer that looks across more steps than were
    `tried` (by axis) was not covered as a whole.
    """
    for row in receptive_field(side.float64.built).layers:
        if max(row.own.values(), default=0) < near:
            continue
        found = [
            path
            for position, path, corners in _kernels(side, row.layer)
            for corner in corners
            if not any(
                _shows_perturbation(side, values, position, inputs, seed, corner)
                for values in sets
                for inputs in batches
            )
        ]
        yield from dict.fromkeys(found)
        if not found and any(
            row.own[axis] and row.total[axis] > length
            for axis, length in tried.items()
            if axis in row.own
        ):
            yield str(row.layer.name)


def _kernels(side: Side, layer: Any) -> Iterator[tuple[int, str, list[tuple[Any, ...]]]]:
    """Yield the position, path and corner indices of each kernel of a layer."""
    runner = side.float64.keras
    variables = runner.variables if runner is not None else ()
    positions = {id(variable): n for n, variable in enumerate(variables)}
    for held in with_nested(layer):
        size = tuple(getattr(held, "kernel_size", ()) or ())
        for variable in getattr(held, "_trainable_variables", ()) if size else ():
            position = positions.get(id(variable))
            if position is not None and tuple(variable.shape[: len(size)]) == size:
                ends = [(0, -1) if n > 1 else (slice(None),) for n in size]
                yield position, str(variable.path), list(product(*ends))


def _shows_perturbation(
    side: Side,
    values: Values,
    position: int,
    inputs: Sequence[Array],
    seed: int,
    index: Any = (),
) -> bool:
    """Return whether an output changes with one weight, or with its elements at an index."""
    rng = generator(seed, "nudge", position)
    weight = values[position].astype(np.float64)
    perturbed = weight * (1.0 + 0.25 * rng.random(weight.shape)) + 0.01 * rng.random(weight.shape)
    changed_weight = weight.copy()
    changed_weight[index] = perturbed[index]
    changed = (*values[:position], changed_weight, *values[position + 1 :])
    base = side.run(values, inputs, "float64", "traced_dynamic")
    after = side.run(changed, inputs, "float64", "traced_dynamic")
    return _differ(base, after)


def _differ(one: Outcome, other: Outcome) -> bool:
    if one.error or other.error or one.shapes != other.shapes:
        return True
    return any(
        _arrays_differ(left, right) for left, right in zip(one.outputs, other.outputs, strict=True)
    )


def _arrays_differ(left: Array, right: Array) -> bool:
    if left.shape != right.shape or left.dtype.kind != right.dtype.kind:
        return True
    difference = distance(left, right)
    if left.dtype.kind != "f":
        return bool(difference.any())
    size = np.where(np.isfinite(left), np.abs(left), 0.0)
    scale = np.maximum(per_sample_max(size), 1.0)
    floor = (ROUNDOFF64 * MIN_CHANGE) * size + (ROUNDOFF64 * MIN_CHANGE_IN_SAMPLE) * scale
    return bool((difference > floor).any())


# --- layers without weights -----------------------------------------------------------------------


def _unseen_layers(side: Side, sets: Sequence[Values], inputs: Sequence[Array]) -> Iterator[str]:
    """Yield the layers whose removal changes no output; none where the model is not a graph."""
    graph = _graph_of(side.float64.built.model) if side.float64.layers else None
    if graph is None:
        return
    remaining = dict(_removable(graph))
    for values in sets:
        if not remaining:
            return
        side.hold(values, "float64")
        for batch in side.float64.batches(inputs):
            for name in _layers_that_matter(side, graph, batch, dict(remaining)):
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


def _layers_that_matter(
    side: Side, graph: Any, inputs: Sequence[Array], removable: Mapping[str, Sequence[int]]
) -> Iterator[str]:
    """Yield the layers whose removal changes the output, running eagerly what depends on them.

    For a layer with several inputs, the output has to change whichever of them is passed on:
    otherwise that input could replace the layer.
    """
    side.float64.reset_states()
    tensors = tensors_for(side.float64.built.model, inputs)
    given = dict(zip(map(id, graph.inputs), tensors, strict=True))
    whole = _evaluated(graph, given, side.training)
    before = _outputs(side, graph, whole)
    for name, input_indices in removable.items():
        calls = [node for node in _nodes(graph) if node.operation.name == name]
        if all(
            _changes_without(side, graph, whole, before, calls, input_index)
            for input_index in input_indices
        ):
            yield name


def _changes_without(
    side: Side,
    graph: Any,
    whole: Mapping[int, Any],
    before: Sequence[Array],
    calls: Sequence[Any],
    input_index: int,
) -> bool:
    """Return whether the output changes where a layer's calls return one of their inputs."""
    passed_on = ((node.input_tensors[input_index], node.output_tensors[0]) for node in calls)
    if not any(_arrays_differ(*(as_array(whole[id(t)]) for t in both)) for both in passed_on):
        return False
    side.float64.reset_states()
    without = dict.fromkeys(calls, input_index)
    after = _outputs(side, graph, _evaluated(graph, whole, side.training, without))
    return any(map(_arrays_differ, before, after))


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
            if not _arrays_differ(
                as_array(values[id(node.input_tensors[input_index])]), as_array(result)
            )
        }
    return bool(identical)
