"""A variable has the value that it was last assigned, and what nobody reads is not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.interpreter import Interpreter, Slot, Variable
from layerlens.proof.field.program_order import in_program_order
from layerlens.proof.field.residues import Field
from layerlens.proof.field.value import CannotProveError, Value
from tests.unit.tables.pairs import needs_backend

pytestmark = needs_backend

#: Takes an input and a variable.
Function = Callable[[Any, Any], Any]


def traced(function: Function) -> Any:
    """Return the graph of a function of three features and a variable of as many."""
    variable = tf.Variable(tf.ones(3))
    made = tf.function(lambda x: function(x, variable), autograph=False)
    return made.get_concrete_function(tf.TensorSpec((None, 3))).graph


def agree(one: Function, other: Function) -> bool:
    """Return whether two functions are the same expression in their input and their variable."""
    algebra = Algebra(Field.drawn(0, 4))
    interpreter = Interpreter(algebra)
    given, held = algebra.made(algebra.field.draw((2, 3))), algebra.made(algebra.field.draw((3,)))
    outputs = []
    for function in (one, other):
        graph = traced(function)
        slots: list[Slot] = [given, *(Variable(held) for _ in graph.captures)]
        (found,) = interpreter.run(graph, slots)
        assert isinstance(found, Value)
        outputs.append(found)
    return algebra.compare(*outputs)


def doubled_before(x: Any, weight: Any) -> Any:
    weight.assign(weight * 2.0)
    return x * weight


def doubled_behind(x: Any, weight: Any) -> Any:
    product = x * weight
    weight.assign(weight * 2.0)
    return product


def added_twice(x: Any, weight: Any) -> Any:
    weight.assign_add(weight)
    weight.assign_sub(tf.zeros(3))
    return x * weight


def of_the_input(x: Any, weight: Any) -> Any:
    weight.assign(tf.reduce_mean(x, axis=0))
    return x * weight


def plain(x: Any, weight: Any) -> Any:
    return x * weight


def twice(x: Any, weight: Any) -> Any:
    return x * (weight + weight)


EQUAL: dict[str, tuple[Function, Function]] = {
    "assigned before it is read": (doubled_before, twice),
    "read before it is assigned": (doubled_behind, plain),
    "added to": (added_twice, twice),
    "assigned a statistic": (of_the_input, lambda x, _: x * tf.reduce_sum(x, axis=0) / 2.0),
}
DIFFERENT: dict[str, tuple[Function, Function]] = {
    "assigned before it is read": (doubled_before, plain),
    "read before it is assigned": (doubled_behind, twice),
    "added to": (added_twice, plain),
    "assigned a statistic": (of_the_input, plain),
}


@pytest.mark.parametrize("name", EQUAL)
def test_assignments_count_in_their_order(name: str) -> None:
    assert agree(*EQUAL[name])


@pytest.mark.parametrize("name", DIFFERENT)
def test_an_assignment_is_not_passed_over(name: str) -> None:
    assert not agree(*DIFFERENT[name])


def in_a_loop(x: Any, weight: Any) -> Any:
    def again(step: Any) -> Any:
        weight.assign(x[0])
        return step + 1

    tf.while_loop(lambda step: step < 2, again, [0])
    return x * weight


def in_a_branch(x: Any, weight: Any) -> Any:
    tf.cond(tf.shape(x)[0] > 1, lambda: weight.assign(x[0]), lambda: weight.assign(x[0] + 1.0))
    return x * weight


def in_a_function(x: Any, weight: Any) -> Any:
    tf.function(lambda: weight.assign(x[0]), autograph=False)()
    return x * weight


@pytest.mark.parametrize("function", [in_a_loop, in_a_branch, in_a_function])
def test_a_weight_that_changes_inside_is_refused(function: Function) -> None:
    with pytest.raises(CannotProveError, match="a weight changes inside a loop or a branch"):
        agree(function, plain)


def test_what_nobody_reads_is_not_run() -> None:
    def counted(x: Any, weight: Any) -> Any:
        weight.assign(tf.nn.top_k(x[0], k=3).values)
        return tf.sigmoid(x)

    graph = traced(counted)
    kinds = [operation.type for operation in in_program_order(graph, lambda *_: None)]
    assert "Sigmoid" in kinds
    assert not {"AssignVariableOp", "TopKV2"} & set(kinds)
