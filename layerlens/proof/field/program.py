"""The operations of a graph, read once: a proof runs the same graph for many sizes and draws."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from layerlens.proof.field.program_order import in_program_order

Arrays = list[NDArray[Any]]

#: Results of more elements are computed again.
MOST_KEPT = 2**14
#: The attribute of a graph that holds its operations, so that they are dropped with the graph.
_PROGRAM = "_layerlens_program"


class Operation:
    """An operation of a TensorFlow graph, with what was read of it and computed by it."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self.type: str = given.type
        self.inputs: tuple[Any, ...] = tuple(given.inputs)
        self.outputs: tuple[Any, ...] = tuple(given.outputs)
        self.input_names = tuple(tensor.name for tensor in self.inputs)
        self.output_names = tuple(tensor.name for tensor in self.outputs)
        self._attributes: dict[str, Any] = {}
        self._functions: dict[str, Any] = {}
        self._results: dict[Hashable, Arrays] = {}

    def get_attr(self, name: str) -> Any:
        """Return an attribute."""
        if name not in self._attributes:
            self._attributes[name] = self._given.get_attr(name)
        return self._attributes[name]

    def function(self, attribute: str) -> Any:
        """Return the graph of a function that the operation calls."""
        if attribute not in self._functions:
            self._functions[attribute] = called_function(self._given, attribute)
        return self._functions[attribute]

    @cached_property
    def op_def(self) -> Any:
        """The definition of operations of this type."""
        return self._given.op_def

    @cached_property
    def is_stateful(self) -> bool:
        """Whether another call may return another result."""
        return bool(self.op_def.is_stateful)

    @cached_property
    def makes_integers(self) -> bool:
        """Whether the first output is of integers."""
        return bool(self.outputs[0].dtype.is_integer)

    @cached_property
    def constant(self) -> NDArray[Any]:
        """The array that a `Const` returns."""
        array = np.asarray(tf.make_ndarray(self._given.get_attr("value")))
        array.flags.writeable = False
        return array

    def kept(self, key: Hashable, computed: Callable[[], Arrays]) -> Arrays:
        """Return results that depend on `key` alone; small ones are computed once."""
        found = self._results.get(key)
        if found is None:
            found = computed()
            if sum(array.size for array in found) <= MOST_KEPT:
                for array in found:
                    array.flags.writeable = False
                self._results[key] = found
        return found


def operations_of(graph: Any) -> Sequence[Operation]:
    """Return the operations that the outputs of a graph depend on, in the order they were made.

    Raises:
        CannotProveError: the outputs depend on what a loop, a branch or a function writes.
    """
    program: Sequence[Operation] | None = getattr(graph, _PROGRAM, None)
    if program is None:
        ordered = in_program_order(graph, called_function)
        program = [Operation(given) for given in ordered if given.type != "Placeholder"]
        setattr(graph, _PROGRAM, program)
    return program


def called_function(operation: Any, attribute: str) -> Any:
    """Return the graph of a function that an operation of TensorFlow calls."""
    return operation.graph._get_function(operation.get_attr(attribute).name).graph
