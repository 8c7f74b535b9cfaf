"""Evaluate a Functional model layer by layer, eagerly, and free each value after its last use.

A deep model takes longer to trace than to run once. Layer by layer nothing is traced, what two
models share is computed once, and at no time more than a few activations are held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from layerlens.models.build.constants import (
    NumberChange,
    as_float32,
    config_with_numbers,
    numbers_of,
)
from layerlens.models.build.custom_objects import custom_objects, has_same_code, in_use
from layerlens.models.build.float64 import enable_float64
from layerlens.models.build.precision import config_in, is_floating, narrows
from layerlens.models.execute.float32_residue import Float32Residue, float32_residue
from layerlens.models.execute.tracing import trace_call
from layerlens.models.inspect.nested_layers import flat_layers, with_nested
from layerlens.numerics.probes import generator

#: Calls the operation of a node with its arguments.
Call = Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]


def call_as_is(node: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    return node.operation(*arguments, **named)


def graph_of(model: Any) -> Any:
    """Return the object with the nodes of a Functional or Sequential model; None for others."""
    graph = getattr(model, "_functional", None) or model
    return graph if hasattr(graph, "_nodes_by_depth") else None


def nodes_of(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph in the order in which they are computed, without its inputs."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if not node.is_input)


def with_inner_calls(call: Any) -> Iterator[Any]:
    """Yield a call and, where it calls a model, the calls in that."""
    yield call
    graph = graph_of(call.operation)
    if graph is not None:
        for inner in nodes_of(graph):
            yield from with_inner_calls(inner)


def steps_of(model: Any) -> int:
    """Return how many layers and operations run in one call of a model.

    A layer that is called several times counts as often, except inside a layer that is no graph.
    """
    graph = graph_of(model)
    if graph is None:
        return sum(1 for _ in flat_layers(model))
    calls = (call for outer in nodes_of(graph) for call in with_inner_calls(outer))
    alone = (call.operation for call in calls if graph_of(call.operation) is None)
    return sum(1 for operation in alone for _ in with_nested(operation))


@dataclass
class LayerWalk:
    """The calls of a model's layers, from the inputs on. Tensors are named by id."""

    graph: Any
    _makers: dict[int, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._makers = {
            id(tensor): node for node in nodes_of(self.graph) for tensor in node.outputs
        }

    def evaluate(
        self, known: Mapping[int, Any], wanted: Sequence[int], call: Call = call_as_is
    ) -> dict[int, Any]:
        """Return the values of the wanted tensors, computing only what these need.

        Args:
            known: values of some tensors, at least those of the inputs that are needed.
            wanted: ids of symbolic tensors.
            call: calls an operation; it may change weights first, or compute in another precision.
        """
        nodes = self._needed(known, wanted)
        uses = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
        uses.update(wanted)
        values = {number: value for number, value in known.items() if uses[number]}
        for node in nodes:
            arguments, named = node.arguments.fill_in(values)
            if getattr(node.operation, "_call_has_training_arg", False):
                named = {**named, "training": False}
            results = keras.tree.flatten(call(node, arguments, named))
            del arguments, named
            for tensor, result in zip(node.outputs, results, strict=True):
                if uses[id(tensor)]:
                    values[id(tensor)] = result
            del results
            for tensor in node.input_tensors:
                uses[id(tensor)] -= 1
                if not uses[id(tensor)]:
                    values.pop(id(tensor), None)
        return {number: values[number] for number in wanted}

    def _needed(self, known: Mapping[int, Any], wanted: Sequence[int]) -> list[Any]:
        """Return the nodes between the known and the wanted tensors, in the order of the calls."""
        found: set[int] = set()
        waiting = [number for number in wanted if number not in known]
        while waiting:
            node = self._makers[waiting.pop()]
            if id(node) not in found:
                found.add(id(node))
                waiting += [id(t) for t in node.input_tensors if id(t) not in known]
        return [node for node in nodes_of(self.graph) if id(node) in found]


class NoFloat64Error(Exception):
    """A layer that cannot be made anew in float64."""


@dataclass
class InFloat64:
    """Calls each layer as a float64 copy of it, which lives for this call alone."""

    #: Changes the numbers in the configurations of these calls' layers.
    numbers: NumberChange | None = None
    changed: Collection[Any] = ()
    #: What is float32 in the graphs of these calls all the same, if asked for.
    residues: list[Float32Residue] | None = None
    #: Changes every result at random by up to this relative size; 0: none.
    jitter: float = 0.0
    seed: int = 0
    #: The dtypes that the layers of the model compute in.
    computed: Collection[str] = frozenset()
    _changed_ids: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self._changed_ids = frozenset(map(id, self.changed))

    def __call__(self, node: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        arguments, named = keras.tree.map_structure(widened, (list(arguments), dict(named)))
        is_changed = id(node) in self._changed_ids
        numbers = self.numbers if is_changed else None

        weights = [widened(own.value) for own in getattr(node.operation, "variables", ())]
        given = list(arguments), dict(named), weights
        operation = self._widened_operation(node)
        outputs = self._called(operation, numbers, *given)
        if is_changed and self.residues is not None:
            self.residues.append(self._residue(operation, numbers, given))
        if not self.jitter:
            return outputs
        rng = generator(self.seed, "jitter", node.operation.name)
        return keras.tree.map_structure(lambda value: _jittered(value, rng, self.jitter), outputs)

    def _widened_operation(self, node: Any) -> Any:
        """Return the operation of a node, with a floating dtype of its own as the model has it."""
        operation = node.operation
        dtype = getattr(operation, "dtype", None)
        if isinstance(operation, keras.layers.Layer) or not is_floating(dtype):
            return operation
        if narrows(dtype, [tensor.dtype for tensor in node.input_tensors], self.computed):
            return operation
        wide = copy(operation)
        wide.dtype = "float64"
        return wide

    def _residue(self, layer: Any, numbers: NumberChange | None, given: Any) -> Float32Residue:
        """Return what is float32 in a layer's graph; its tensors and weights are no part of it."""
        flat = keras.tree.flatten(given)
        tensors = [value for value in flat if keras.ops.is_tensor(value)]

        def call(*placeholders: Any) -> Any:
            left = iter(placeholders)
            filled = []
            for value in flat:
                if keras.ops.is_tensor(value):
                    mask, value = getattr(value, "_keras_mask", None), next(left)
                    if mask is not None:
                        value._keras_mask = mask
                filled.append(value)
            return self._called(layer, numbers, *keras.tree.pack_sequence_as(given, filled))

        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
        traced = trace_call(call, specs)
        written = {number for own in numbers_of(layer) for number in (own, as_float32(own))}
        return float32_residue(traced, written)

    def _called(
        self,
        layer: Any,
        numbers: NumberChange | None,
        arguments: Sequence[Any],
        named: Mapping[str, Any],
        weights: Sequence[Any],
    ) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer(*arguments, **named)
        with keras.StatelessScope() as scope:
            scope.initialize_variables = False  # the copy's own weights are never made
            made = _copy(layer, arguments, named, numbers, self.computed)
            for variable, value in zip(made.variables, weights, strict=True):
                scope.add_update((variable, value))
            # Called as a layer is in a model, so that masks are passed on.
            return made(*arguments, **named)


def _copy(
    layer: Any,
    arguments: Sequence[Any],
    named: Mapping[str, Any],
    numbers: NumberChange | None,
    computed: Collection[str],
) -> Any:
    try:
        own = {"class_name": type(layer).__name__, "config": layer.get_config()}
        config = config_in(own, "float64", computed)["config"]
        if numbers is not None:
            config = config_with_numbers(config, numbers)
        with in_use(custom_objects(layer)):
            made = type(layer).from_config(config)
        if not has_same_code(layer, made):
            raise NoFloat64Error(f"`{layer.name}` has no copy")
        shapes = layer.get_build_config()
        if shapes:
            made.build_from_config(shapes)
        if not made.built or len(made.variables) != len(layer.variables):
            symbolic = keras.tree.map_structure(_symbolic, (list(arguments), dict(named)))
            made(*symbolic[0], **symbolic[1])
    except Exception as error:
        raise NoFloat64Error(f"`{layer.name}` has no float64 form") from error
    enable_float64(made)
    return made


def widened(value: Any) -> Any:
    if keras.ops.is_tensor(value) and is_floating(keras.backend.standardize_dtype(value.dtype)):
        wide = keras.ops.cast(value, "float64")
        mask = getattr(value, "_keras_mask", None)
        if mask is not None:
            wide._keras_mask = mask
        return wide
    return value


def _symbolic(value: Any) -> Any:
    if keras.ops.is_tensor(value):
        return keras.KerasTensor(value.shape, keras.backend.standardize_dtype(value.dtype))
    return value


def _jittered(value: Any, rng: np.random.Generator, size: float) -> Any:
    if not (keras.ops.is_tensor(value) and is_floating(str(value.dtype.name))):
        return value
    signs = tf.random.stateless_uniform(tf.shape(value), rng.integers(0, 2**31, 2)) < 0.5
    moved = value * tf.where(signs, 1.0 - tf.cast(size, value.dtype), 1.0 + size)
    mask = getattr(value, "_keras_mask", None)
    if mask is not None:
        moved._keras_mask = mask
    return moved
