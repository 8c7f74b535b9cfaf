"""The shapes that a model computes, which may differ from those that Keras announces for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from itertools import cycle
from typing import Any

import keras
import tensorflow as tf

from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.request import Built
from layerlens.models.execute.layer_walk import graph_of, nodes_of
from layerlens.models.execute.outcome import flat_tensors
from layerlens.models.execute.tracing import trace_call
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.models.inspect.shapes import agree, selected_shape, tensor_shape
from layerlens.scenario.spec import Shape


@dataclass(frozen=True, slots=True)
class WrongShape:
    """The output of a layer for which Keras announces another shape than the layer computes."""

    layer: str
    announced: Shape
    computed: Shape


@dataclass(frozen=True, slots=True)
class ComputedShapes:
    """The shape of each output of a model, and the first layer whose announced shape is wrong.

    None is an output, or a size, that only a call with values can tell.
    """

    outputs: tuple[Shape | None, ...]
    wrong: WrongShape | None = None


def computed_shapes(built: Built, *, training: bool) -> ComputedShapes | None:
    """Return the shapes that a model computes, found by tracing it once; None where that fails.

    The model needs no weights, and keeps those that it has.
    """
    if training not in built.computed_shapes:
        built.computed_shapes[training] = _traced_shapes(built, training)
    found: ComputedShapes | None = built.computed_shapes[training]
    return found


def _traced_shapes(built: Built, training: bool) -> ComputedShapes | None:
    model = built.model
    wrong: list[WrongShape] = []
    outputs: list[Any] = []

    def call(*tensors: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 else list(tensors)
        outputs[:] = flat_tensors(model(given, training=training))
        return outputs

    try:
        with keras.StatelessScope() as scope, _watching(model, wrong):
            scope.initialize_variables = False
            trace_call(call, [tf.TensorSpec(one.shape, one.dtype) for one in model.inputs])
        shapes = tuple(_as_reported(built, _shape(output)) for output in outputs)
    except Exception as error:  # user code may raise anything; a run of the model reports it
        raise_if_out_of_memory(error, "while a model was traced")
        return None
    return ComputedShapes(shapes, wrong[0] if wrong else None)


def _as_reported(built: Built, shape: Shape | None) -> Shape | None:
    """Return a computed shape in the form of those in the report of a model."""
    if shape is None:
        return None
    if built.batch_size is not None and shape[:1] == (built.batch_size,):
        shape = (None, *shape[1:])
    return shape if built.spec.select is None else selected_shape(shape, built.spec.select)


@contextmanager
def _watching(model: Any, wrong: list[WrongShape]) -> Iterator[None]:
    """Note each call of a layer that returns another shape than announced, inner layers first."""
    nodes: dict[int, list[Any]] = {}
    for graph in dict.fromkeys(map(graph_of, (model, *flat_layers(model)))):
        for node in () if graph is None else nodes_of(graph):
            nodes.setdefault(id(node.operation), []).append(node)
    watched = [own for own in nodes.values() if "call" not in vars(own[0].operation)]
    for own in watched:
        vars(own[0].operation)["call"] = _watched(own, wrong)
    try:
        yield
    finally:
        for own in watched:
            del vars(own[0].operation)["call"]


def _watched(nodes: Sequence[Any], wrong: list[WrongShape]) -> Callable[..., Any]:
    """Return the `call` of an operation, which compares what it returns with its nodes in turn."""
    operation = nodes[0].operation
    call, in_turn = operation.call, cycle(nodes)

    @wraps(call)
    def watched(*args: Any, **kwargs: Any) -> Any:
        results = call(*args, **kwargs)
        announced = map(tensor_shape, next(in_turn).outputs)
        for one, other in zip(announced, map(_shape, flat_tensors(results)), strict=True):
            if other is not None and not agree(one, other):
                wrong.append(WrongShape(str(operation.name), one, other))
        return results

    return watched


def _shape(tensor: Any) -> Shape | None:
    """Return the shape of a tensor in a trace; None where the number of its axes is unknown."""
    return None if tensor.shape.rank is None else tuple(tensor.shape)
