from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from layerlens.proof.field.definedness import MOST_CONDITIONS, Definedness, same, union
from layerlens.proof.field.value import CannotProveError, Value, constant

Function = Callable[..., Any]


def noted(definedness: Definedness, *shape: int, first: int = 0) -> Value:
    """Return a value of which each element needs something else."""
    size = int(np.prod(shape))
    numbers = np.arange(first, first + size, dtype=np.uint64).reshape(shape)
    definedness.note("is not zero", np.stack([numbers, numbers]))
    found = Value(shape, "float")
    definedness.follow(operation_of(lambda x: 1.0 / x, shape), [found, found], [found])
    return found


def operation_of(function: Function, *shapes: tuple[int, ...]) -> Any:
    """Return the last operation of a function that is not a plain copy."""
    graph = tf.function(function).get_concrete_function(*map(tf.TensorSpec, shapes)).graph
    return [one for one in graph.get_operations() if one.type not in ("Identity", "NoOp")][-1]


def conditions(value: Value) -> Any:
    """Return the numbers of the conditions of each element."""
    assert value.needs is not None
    bits = np.unpackbits(
        np.ascontiguousarray(value.needs).view(np.uint8).reshape(-1), bitorder="little"
    )
    words = bits.reshape(len(value.needs), *value.shape, 64)
    sets = np.empty(value.shape, object)
    for place in np.ndindex(*value.shape):
        held = [np.flatnonzero(words[(word, *place)]) + 64 * word for word in range(len(words))]
        sets[place] = set(np.concatenate(held).tolist())
    return sets.tolist()


def followed(function: Function, definedness: Definedness, *inputs: Value, out: Any) -> Value:
    operation = operation_of(function, *(value.shape for value in inputs))
    found = Value(out, "float")
    definedness.follow(operation, inputs, [found])
    return found


def test_each_element_needs_its_own() -> None:
    assert conditions(noted(Definedness(), 3)) == [{0}, {1}, {2}]


def test_equal_elements_need_the_same() -> None:
    definedness = Definedness()
    one, other = noted(definedness, 2), noted(definedness, 2)
    assert same(one.needs, other.needs)
    assert not same(one.needs, noted(definedness, 2, first=1).needs)
    assert not same(one.needs, None)
    assert same(None, np.zeros((1, 2), np.uint64))


def test_more_conditions_than_bits_of_a_word() -> None:
    definedness = Definedness()
    one, other = noted(definedness, 2), noted(definedness, 2, first=100)
    noted(definedness, 98, first=2)
    last = noted(definedness, 2, first=150)
    assert [conditions(value) for value in (one, other)] == [[{0}, {1}], [{2}, {3}]]
    assert conditions(last) == [{102}, {103}]
    both = followed(lambda x, y: x + y, definedness, one, last, out=(2,))
    assert conditions(both) == [{0, 102}, {1, 103}]


def test_sums_need_all_that_is_added_up() -> None:
    definedness = Definedness()
    table = noted(definedness, 2, 2)
    operation = operation_of(lambda x: tf.reduce_sum(x, 1), (2, 2))
    found = Value((2,), "float")
    definedness.follow(operation, [table, constant(np.array(1))], [found])
    assert conditions(found) == [{0, 1}, {2, 3}]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, y: x @ y, [[{0, 1}] * 3, [{2, 3}] * 3]),
        (lambda x, y: tf.linalg.matmul(x, y, transpose_a=True), [[{0, 2}] * 3, [{1, 3}] * 3]),
        (lambda x, y: tf.einsum("ij,jk->ik", x, y), [[{0, 1}] * 3, [{2, 3}] * 3]),
        (lambda x, y: tf.einsum("ji,jk->ik", x, y), [[{0, 2}] * 3, [{1, 3}] * 3]),
    ],
)
def test_products_need_the_rows_and_columns_of_both(function: Function, expected: Any) -> None:
    definedness = Definedness()
    one, other = noted(definedness, 2, 2), Value((2, 3), "float")
    assert conditions(followed(function, definedness, one, other, out=(2, 3))) == expected


def test_a_product_with_the_second() -> None:
    definedness = Definedness()
    one, other = Value((2, 2), "float"), noted(definedness, 2, 2)
    found = followed(lambda x, y: x @ y, definedness, one, other, out=(2, 2))
    assert conditions(found) == [[{0, 2}, {1, 3}]] * 2


def test_a_constant_selection_needs_what_is_selected() -> None:
    definedness = Definedness()
    operation = operation_of(lambda x, y: tf.where([True, False], x, y), (2,), (2,))
    found = Value((2,), "float")
    chosen = constant(np.array([True, False]))
    definedness.follow(operation, [chosen, noted(definedness, 2), Value((2,), "float")], [found])
    assert conditions(found) == [{0}, set()]


@pytest.mark.parametrize(
    "function",
    [tf.nn.relu, tf.math.is_nan, tf.tanh, lambda x: tf.where(x > 0, x, x), tf.math.rsqrt],
)
def test_what_may_be_defined_where_an_argument_is_not_is_refused(function: Function) -> None:
    definedness = Definedness()
    with pytest.raises(CannotProveError, match="undefined"):
        followed(function, definedness, noted(definedness, 2), out=(2,))


def test_moved_elements_take_what_they_need_along() -> None:
    definedness = Definedness()
    found = Value((3,), "float")
    places = (0,), [np.array([2, 0, 1])]
    operation = operation_of(lambda x: tf.reverse(x, [0]), (2,))
    definedness.follow(operation, [noted(definedness, 2)], [found], lambda: places)
    assert conditions(found) == [{1}, set(), {0}]


def test_too_many_conditions_are_refused() -> None:
    with pytest.raises(CannotProveError, match="elements may be undefined"):
        noted(Definedness(), MOST_CONDITIONS + 1)


def test_the_union_of_none_is_none() -> None:
    assert union([]) is None
