"""Find weights and layers whose faults the probes could not have noticed."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from layerlens.comparison.examination import Examination
from layerlens.models.execute.keras_runner import Outcome
from layerlens.models.execute.receptive_field import receptive_field
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import as_array
from layerlens.models.execute.weight_sets import moderate_sets
from layerlens.models.inspect.nested_layers import with_nested
from layerlens.numerics.arrays import Array, per_sample_max
from layerlens.numerics.differences import distance
from layerlens.numerics.noise_floor import ROUNDOFF64
from layerlens.numerics.probes import generator

#: A nudge has to move an output by this many units of float64 to count as seen, by its own scale
#: and by the sample's: where all that is left of an output is rounding, any nudge moves that.
SEEN = 2.0**20
SEEN_IN_SAMPLE = 2.0**12


def unseen_by_probes(examination: Examination) -> tuple[str, ...]:
    """Return the weights and layers, in the order of the models, that no probe would have missed.

    For these a fault could have gone unnoticed.
    """
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
    found: list[str] = []
    for side, values in (
        (examination.reference, [one.reference for one in drawn]),
        (examination.candidate, [one.candidate for one in drawn]),
    ):
        found += unseen(side, values, seen[0].inputs, examination.seed)
        found += unseen_far(side, values[:1], far_inputs, tried, lengths.longest, examination.seed)
    return tuple(dict.fromkeys(found))


def unseen(
    side: Side, sets: Sequence[Values], inputs: Sequence[Array], seed: int
) -> tuple[str, ...]:
    """Return the weights and layers of one model that no probe would have missed.

    Every weight is nudged alone, and some output has to move by more than rounding with one of
    the `sets` of weights; every layer without weights that keeps its shape is taken out, and the
    output has to change, unless the layer is the identity on any input.
    """
    return (*_unseen_weights(side, sets, inputs, seed), *_unseen_layers(side, sets, inputs))


def _unseen_weights(
    side: Side, sets: Sequence[Values], inputs: Sequence[Array], seed: int
) -> Iterator[str]:
    variables = side.float64.variables
    for position, slot in enumerate(side.float64.slots()):
        if side.training and not variables[position].trainable:
            continue  # a statistic that training only writes
        if not slot.dtype.startswith(("float", "bfloat")) or 0 in slot.shape:
            continue
        if not any(_nudge_shows(side, values, position, inputs, seed) for values in sets):
            yield slot.path


def unseen_far(
    side: Side,
    sets: Sequence[Values],
    batches: Sequence[Sequence[Array]],
    tried: Mapping[int, int],
    near: int,
    seed: int,
) -> Iterator[str]:
    """Yield the weights and layers of one model whose far steps no probe had at work.

    A kernel is nudged at its corners alone where these lie `near` input steps or more apart, on
    the `batches` of the greatest lengths. A layer that looks across more steps than were `tried`,
    by axis, was not at work as a whole.
    """
    for row in receptive_field(side.float64.built).layers:
        if max(row.own.values(), default=0) < near:
            continue
        found = [
            path
            for position, path, corners in _kernels(side, row.layer)
            for corner in corners
            if not any(
                _nudge_shows(side, values, position, inputs, seed, corner)
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
    """Yield the kernels of a layer: their place, their name, and the indexes of their corners."""
    places = {id(variable): n for n, variable in enumerate(side.float64.variables)}
    for part in with_nested(layer):
        size = tuple(getattr(part, "kernel_size", ()) or ())
        for variable in getattr(part, "_trainable_variables", ()) if size else ():
            position = places.get(id(variable))
            if position is not None and tuple(variable.shape[: len(size)]) == size:
                ends = [(0, -1) if n > 1 else (slice(None),) for n in size]
                yield position, str(variable.path), list(product(*ends))


def _nudge_shows(
    side: Side,
    values: Values,
    position: int,
    inputs: Sequence[Array],
    seed: int,
    part: Any = (),
) -> bool:
    """Tell whether an output moves with one weight, or with a part of it."""
    rng = generator(seed, "nudge", position)
    weight = values[position].astype(np.float64)
    nudged = weight * (1.0 + 0.25 * rng.random(weight.shape)) + 0.01 * rng.random(weight.shape)
    moved_part = weight.copy()
    moved_part[part] = nudged[part]
    changed = (*values[:position], moved_part, *values[position + 1 :])
    base = side.run(values, inputs, "float64", "traced_dynamic")
    moved = side.run(changed, inputs, "float64", "traced_dynamic")
    return _differ(base, moved)


def _differ(one: Outcome, other: Outcome) -> bool:
    if one.error or other.error or one.shapes != other.shapes:
        return True
    return any(
        _arrays_differ(left, right) for left, right in zip(one.outputs, other.outputs, strict=True)
    )


def _arrays_differ(left: Array, right: Array) -> bool:
    if left.shape != right.shape or left.dtype.kind != right.dtype.kind:
        return True
    gap = distance(left, right)
    if left.dtype.kind != "f":
        return bool(gap.any())
    size = np.where(np.isfinite(left), np.abs(left), 0.0)
    ground = np.maximum(per_sample_max(size), 1.0)
    floor = (ROUNDOFF64 * SEEN) * size + (ROUNDOFF64 * SEEN_IN_SAMPLE) * ground
    return bool((gap > floor).any())


# --- layers without weights -----------------------------------------------------------------------


def _unseen_layers(side: Side, sets: Sequence[Values], inputs: Sequence[Array]) -> Iterator[str]:
    """Yield the layers whose removal no probe notices; only of a model that is a graph."""
    graph = _graph_of(side.float64.built.model)
    if graph is None:
        return
    remaining = dict(_removable(graph))
    for values in sets:
        if not remaining:
            return
        side.hold(values, "float64")
        for part in side.float64.parts(inputs):
            for name in _noticed(side, graph, part, dict(remaining)):
                remaining.pop(name, None)
    layers = {node.operation.name: node.operation for node in _nodes(graph)}
    for name, passed in remaining.items():
        if not _is_identity(layers[name], passed, side):
            yield name


def _graph_of(model: Any) -> Any:
    """Return what holds a Functional or Sequential model's nodes; None for other models."""
    graph = getattr(model, "_functional", None) or model
    return graph if hasattr(graph, "_nodes_by_depth") else None


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph in the order in which they are computed, without its inputs."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if not node.is_input)


def _removable(graph: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the layers without weights that can be taken out, and what may be passed on instead.

    That is every input that has the output's shape and dtype wherever the layer is called.
    """
    nodes: dict[str, list[Any]] = {}
    for node in _nodes(graph):
        nodes.setdefault(node.operation.name, []).append(node)
    for name, calls in nodes.items():
        if getattr(calls[0].operation, "weights", True):
            continue
        shared = set.intersection(*(set(_like_the_output(node)) for node in calls))
        if shared:
            yield name, tuple(sorted(shared))


def _like_the_output(node: Any) -> Iterator[int]:
    """Yield the places of a node's inputs, each tensor once, of the shape and dtype it returns."""
    if len(node.output_tensors) != 1:
        return
    output, met = node.output_tensors[0], set()
    for place, tensor in enumerate(node.input_tensors):
        alike = tuple(tensor.shape) == tuple(output.shape) and tensor.dtype == output.dtype
        if alike and id(tensor) not in met:
            yield place
        met.add(id(tensor))


def _noticed(
    side: Side, graph: Any, inputs: Sequence[Array], removable: Mapping[str, Sequence[int]]
) -> Iterator[str]:
    """Yield the layers whose removal changes the output, running eagerly what depends on them.

    A layer of several inputs is noticed where the output changes whichever of them is passed on:
    else the layer may as well be that input.
    """
    side.float64.reset_states()
    given = dict(zip(map(id, graph.inputs), side.float64._tensors(inputs), strict=True))
    whole = _computed(graph, given, side.training)
    before = _outputs(side, graph, whole)
    for name, places in removable.items():
        calls = [node for node in _nodes(graph) if node.operation.name == name]
        if all(_shows_without(side, graph, whole, before, calls, place) for place in places):
            yield name


def _shows_without(
    side: Side,
    graph: Any,
    whole: Mapping[int, Any],
    before: Sequence[Array],
    calls: Sequence[Any],
    place: int,
) -> bool:
    """Tell whether the output changes where a layer passes on its input at one place."""
    passed = ((node.input_tensors[place], node.output_tensors[0]) for node in calls)
    if not any(_arrays_differ(*(as_array(whole[id(t)]) for t in both)) for both in passed):
        return False
    side.float64.reset_states()
    without = dict.fromkeys(calls, place)
    after = _outputs(side, graph, _computed(graph, whole, side.training, without))
    return any(map(_arrays_differ, before, after))


def _computed(
    graph: Any,
    known: Mapping[int, Any],
    training: bool,
    without: Mapping[Any, int] = MappingProxyType({}),
) -> Mapping[int, Any]:
    """Return every tensor of a graph by its id, computing what is not known.

    `without` says which nodes are taken out, and which of their inputs each passes on; what
    depends on them is computed anew.
    """
    fresh: dict[int, Any] = {}
    values = ChainMap(fresh, known)  # type: ignore[arg-type]
    for node in _nodes(graph):
        if node in without:
            fresh[id(node.output_tensors[0])] = values[id(node.input_tensors[without[node]])]
            continue
        is_known = all(id(tensor) in known for tensor in node.output_tensors)
        if is_known and not any(id(tensor) in fresh for tensor in node.input_tensors):
            continue
        results = _called(node, values, training)
        fresh.update(zip(map(id, node.output_tensors), results, strict=True))
    return values


def _called(node: Any, values: Mapping[int, Any], training: bool) -> list[Any]:
    """Return what the call of a node gives for these values of its tensors, by their ids."""
    arguments, named = node.arguments.fill_in(values)
    if getattr(node.operation, "_call_has_training_arg", False):
        named = {**named, "training": training}
    return _flatten(node.operation(*arguments, **named))


def _outputs(side: Side, graph: Any, values: Mapping[int, Any]) -> tuple[Array, ...]:
    found = tuple(as_array(values[id(tensor)]) for tensor in graph.outputs)
    return side.selected(Outcome(found)).outputs


def _flatten(outputs: Any) -> list[Any]:
    return list(keras.tree.flatten(outputs))


def _is_identity(layer: Any, places: Sequence[int], side: Side) -> bool:
    """Tell whether a layer passes on what it is given at one place, whatever that is.

    It is fed directly with wide signed values, the same ones wherever it takes the same tensor.
    """
    node = layer._inbound_nodes[0]
    if not tf.as_dtype(str(node.output_tensors[0].dtype)).is_floating:
        return True
    rng = generator(0, "identity", layer.name)
    passed_on = set(places)
    for scale in (1e-4, 1.0, 30.0, 1e4):
        fed: dict[int, Any] = {}
        for tensor in node.input_tensors:
            shape = [2 if n is None else int(n) for n in tensor.shape]
            drawn = scale * rng.standard_normal((8, *shape[1:]))
            fed.setdefault(id(tensor), tf.cast(drawn, str(tensor.dtype)))
        (result,) = _called(node, fed, side.training)
        passed_on = {
            place
            for place in passed_on
            if not _arrays_differ(as_array(fed[id(node.input_tensors[place])]), as_array(result))
        }
    return bool(passed_on)
