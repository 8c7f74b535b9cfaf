"""Which operations of a graph have to run for its outputs, where some of them write variables.

TensorFlow runs the operations that touch one variable in the order in which they were made. So an
assignment counts where its variable is read behind it, and only there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from layerlens.proof.field.value import CannotProveError

#: Operations that read a variable and leave it as it is.
_READERS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape"})
#: Operations that return the variables they are given.
_ALIASES = frozenset({"Identity", "IdentityN"})
#: The graphs that an operation calls, by attribute, and its first input that they are given.
_CALLED: dict[str, tuple[tuple[str, ...], int]] = {
    "If": (("then_branch", "else_branch"), 1),
    "PartitionedCall": (("f",), 0),
    "StatefulPartitionedCall": (("f",), 0),
    "StatelessIf": (("then_branch", "else_branch"), 1),
    "StatelessWhile": (("cond", "body"), 0),
    "While": (("cond", "body"), 0),
}

#: Returns the graph of a function that an operation calls, by attribute.
Called = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class _Touched:
    """The variables that an operation reads or writes, by the names of their tensors."""

    read: frozenset[str]
    written: frozenset[str]


def in_program_order(graph: Any, called: Called) -> list[Any]:
    """Return the operations that the outputs depend on, in the order they were made.

    Raises:
        CannotProveError: the outputs depend on what a loop, a branch or a function writes.
    """
    operations = graph.get_operations()
    needed = _above(tensor.op for tensor in graph.outputs)
    if not any(tensor.dtype == tf.resource for one in operations for tensor in one.inputs):
        return [one for one in operations if one.name in needed]
    touched = {one.name: _touched(one, called) for one in operations}
    writers = [one for one in operations if touched[one.name].written]
    places = {one.name: place for place, one in enumerate(operations)}
    grows = bool(writers)
    while grows:
        grows = False
        for writer in writers:
            counts = any(
                touched[name].read & touched[writer.name].written
                for name in needed
                if places[name] > places[writer.name]
            )
            both = touched[writer.name].read & touched[writer.name].written
            if writer.type in _CALLED and (counts or (both and writer.name in needed)):
                raise CannotProveError("a weight changes inside a loop or a branch")
            if counts and writer.name not in needed:
                needed |= _above([writer])
                grows = True
    return [one for one in operations if one.name in needed]


def _above(operations: Iterator[Any] | Sequence[Any]) -> set[str]:
    """Return the names of operations and of all that these depend on."""
    seen: set[str] = set()
    waiting = list(operations)
    while waiting:
        operation = waiting.pop()
        if operation.name not in seen:
            seen.add(operation.name)
            waiting.extend(tensor.op for tensor in operation.inputs)
    return seen


def _touched(operation: Any, called: Called) -> _Touched:
    """Return what an operation reads or writes; what is not known to read alone, writes."""
    given = [tensor if tensor.dtype == tf.resource else None for tensor in operation.inputs]
    names = frozenset(_origin(tensor) for tensor in given if tensor is not None)
    if not names or operation.type in _ALIASES:
        return _Touched(frozenset(), frozenset())
    if operation.type in _READERS:
        return _Touched(names, frozenset())
    if operation.type not in _CALLED:
        return _Touched(frozenset(), names)
    attributes, first = _CALLED[operation.type]
    read: set[str] = set()
    written: set[str] = set()
    for attribute in attributes:
        inside = called(operation, attribute)
        outer = {
            inner.name: _origin(tensor)
            for inner, tensor in zip(inside.inputs, given[first:], strict=True)
            if tensor is not None
        }
        needed = {one.name for one in in_program_order(inside, called)}
        for one in inside.get_operations():
            part = _touched(one, called)
            written |= {outer[name] for name in part.written if name in outer}
            if one.name in needed:
                read |= {outer[name] for name in part.read if name in outer}
    return _Touched(frozenset(read), frozenset(written))


def _origin(tensor: Any) -> str:
    """Return the name under which a variable came into a graph."""
    while tensor.op.type in _ALIASES:
        tensor = tensor.op.inputs[tensor.value_index]
    return str(tensor.name)
