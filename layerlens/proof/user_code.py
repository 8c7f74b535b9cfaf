"""Trace models with user code, where the graph is all that their outputs depend on.

Such code runs while it is traced, and might put into the graph what it has read, drawn or counted
then. So nothing may be computed outside of the graph, no number drawn and no attribute changed
meanwhile, and a second trace with other weights has to give the same graph.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from types import FunctionType, MethodType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.user_functions import numbers_in_functions, seen_by
from layerlens.models.inspect.nested_layers import (
    TRUSTED,
    flat_layers,
    is_keras_class,
    operation_nodes,
)
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import generator
from layerlens.proof.asked_samples import refusing_to_tell
from layerlens.proof.field.value import CannotProveError
from layerlens.proof.sizes import trace

#: What the certificate says of such models.
SAME_AT_EVERY_CALL = "Code that Keras does not define does the same at every call."

#: Operations that run user code, or read files, when the graph runs.
_OUTSIDE = frozenset(
    {"EagerPyFunc", "MatchingFiles", "NumpyFunction", "PyFunc", "PyFuncStateless", "ReadFile"}
)
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def runs_user_code(built: Built) -> bool:
    """Return whether code that Keras does not define runs in a call of a model."""
    return has_foreign_layers(built) or any(map(_holds_user_code, _operations(built)))


def _operations(built: Built) -> Iterator[Any]:
    """Yield the layers of a model, and the operations in its graph with their arguments."""
    yield from flat_layers(built.model)
    for node in operation_nodes(built.model):
        yield node.operation
        yield from keras.tree.flatten((node.arguments.args, node.arguments.kwargs))


def _holds_user_code(held: Any) -> bool:
    """Return whether an operation is the user's, or holds a function of the user's."""
    if isinstance(held, keras.Operation) and not is_keras_class(held):
        return True
    return any(map(_is_user_code, (held, *getattr(held, "__dict__", {}).values())))


def _is_user_code(held: Any) -> bool:
    """Return whether something can be called and is not from Keras."""
    if isinstance(held, MethodType):
        return _is_user_code(held.__func__)
    if not callable(held) or isinstance(held, type):
        return False
    module = held.__module__ if isinstance(held, FunctionType) else type(held).__module__
    return not str(module).startswith(TRUSTED)


def trace_guarded(
    runner: KerasRunner, inputs: Sequence[Array], *, training: bool, known_shapes: bool
) -> Any:
    """Return the traced function of a model that runs user code.

    Raises:
        CannotProveError: its graph is not all that its outputs depend on, as far as that is seen.
    """
    mode = {"training": training, "known_shapes": known_shapes}
    samples = len(inputs[0]) if known_shapes else 0
    values = runner.values()
    rng = generator(runner.seed, "other weights")
    others = [_other(rng, value) for value in values]
    before = _attributes(runner.built)
    traced = []
    try:
        for given in (values, others):
            runner.assign(given)
            with _nothing_computed(), _nothing_drawn(), refusing_to_tell(samples):
                traced.append(trace(partial(runner.traced_anew, inputs, **mode)))
    finally:
        runner.assign(values)
    if _attributes(runner.built) != before:
        raise CannotProveError("user code changes an attribute while it is traced")
    one, other = (function.graph for function in traced)
    if _contents(one) != _contents(other):
        raise CannotProveError("user code gives a different graph at each trace")
    return traced[0]


def _other(rng: np.random.Generator, value: Array) -> Array:
    return (
        rng.standard_normal(value.shape).astype(value.dtype) if value.dtype.kind == "f" else value
    )


@contextmanager
def _nothing_computed() -> Iterator[None]:
    """Context manager in which nothing may be computed but by the graph.

    Reading a variable is such a computation. TensorFlow reads the variables that an operation is
    given without telling of it, so every operation counts that is given anything.

    Raises:
        CannotProveError: something was.
    """
    computed: list[str] = []

    def watch(
        op_type: Any,
        inputs: Sequence[Any],
        attrs: Any,
        outputs: Sequence[Any],
        op_name: Any = None,
        graph: Any = None,
    ) -> None:
        if graph is None and len(inputs):
            computed.append(op_type.decode() if isinstance(op_type, bytes) else str(op_type))

    op_callbacks.add_op_callback(watch)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(watch)
    if computed:
        raise CannotProveError(
            f"user code computes `{computed[0]}` outside of the graph while it is traced"
        )


@contextmanager
def _nothing_drawn() -> Iterator[None]:
    """Context manager in which Python's and NumPy's generators may not be drawn from.

    Raises:
        CannotProveError: one was.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
        drawn = random.getstate() != python or repr(np.random.get_state()) != repr(numpy)
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
    if drawn:
        raise CannotProveError("user code draws random numbers while it is traced")


# --- attributes -----------------------------------------------------------------------------------


def _attributes(built: Built) -> list[Any]:
    """Return what the user's code holds, to tell whether some of it has changed."""
    return [_identity(held) for held in _held_by_user_code(built)]


def _held_by_user_code(built: Built) -> Iterator[Any]:
    """Yield the functions of the user's in a model, and what the layers that they define hold."""
    for held in _operations(built):
        named = getattr(held, "__dict__", {})
        if isinstance(held, keras.Operation) and not is_keras_class(held):
            common = _attributes_of_every_layer()
            yield {name: value for name, value in named.items() if name not in common}
            for cls in type(held).__mro__:
                if not cls.__module__.startswith(TRUSTED):
                    yield [value for value in vars(cls).values() if isinstance(value, FunctionType)]
        else:
            yield [value for value in (held, *named.values()) if _is_user_code(value)]


def counts_in_code(built: Built) -> set[int]:
    """Return the integers in user code, and the successor of each.

    From one of them on, a number of samples may make a difference to the code.
    """
    found: set[int] = set()
    for number in numbers_in_functions(_held_by_user_code(built)):
        if isinstance(number, int):
            found |= {abs(number), abs(number) + 1}
    return found


@cache
def _attributes_of_every_layer() -> frozenset[str]:
    layer = keras.layers.Identity(name="any")
    layer(np.zeros((1, 1), "float32"))
    return frozenset(vars(layer))


def _identity(value: Any, depth: int = 8) -> Any:
    """Return what changes with a value: itself, or which objects it holds."""
    if depth and isinstance(value, (FunctionType, MethodType)):
        function = value.__func__ if isinstance(value, MethodType) else value
        return id(function), [_identity(item, max(0, depth - 2)) for item in seen_by(function)]
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if depth and isinstance(value, Mapping):
        return [(repr(key), _identity(item, depth - 1)) for key, item in value.items()]
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [_identity(item, depth - 1) for item in value]
    return id(value)


# --- graphs ---------------------------------------------------------------------------------------


def _contents(graph: Any) -> list[Any]:
    """Return all that a graph computes with, and in which order, without the names of operations.

    Raises:
        CannotProveError: it runs code or reads files when it is called, or may refuse inputs.
    """
    numbers: dict[str, int] = {}
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            numbers[tensor.name] = len(numbers)
    held = [
        (numbers[inside.name], id(outside) if outside.dtype == tf.resource else _content(outside))
        for outside, inside in getattr(graph, "captures", ())
    ]
    listed = [_operation(one, numbers) for one in graph.get_operations()]
    return [held, listed, [numbers[tensor.name] for tensor in graph.outputs]]


def _content(tensor: Any) -> Any:
    """Return the content of a constant; of a function's capture, where it comes from is enough."""
    return tensor.numpy().tobytes() if hasattr(tensor, "numpy") else str(tensor.dtype)


def _operation(operation: Any, numbers: Mapping[str, int]) -> Any:
    if operation.type in _OUTSIDE:
        raise CannotProveError(f"`{operation.type}` runs or reads something outside the graph")
    if operation.type == "Assert":
        raise CannotProveError("user code may refuse inputs")
    attributes = operation.node_def.attr
    plain = [
        (name, attributes[name].SerializeToString(deterministic=True))
        for name in sorted(attributes)
        if not name.startswith("_") and not attributes[name].HasField("func")
    ]
    called = [
        (name, _contents(operation.graph._get_function(attributes[name].func.name).graph))
        for name in sorted(attributes)
        if attributes[name].HasField("func")
    ]
    given = [numbers[tensor.name] for tensor in operation.inputs]
    return operation.type, given, plain, called
