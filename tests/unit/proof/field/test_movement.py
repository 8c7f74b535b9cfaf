"""Elements go where TensorFlow moves them, and what is known of them goes along."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.growth import Growth
from layerlens.proof.field.interpreter import Interpreter
from layerlens.proof.field.movement import MOVEMENTS, moved_positions
from layerlens.proof.field.residues import Field
from layerlens.proof.field.value import CannotProveError, Value
from tests.unit.tables.pairs import needs_backend

pytestmark = needs_backend


def moved(function: Callable[[Any], Any], shape: tuple[int, ...], **known: Any) -> Value:
    algebra = Algebra(Field.drawn(0, 3))
    given = algebra.made(algebra.field.draw(shape), **known)
    traced = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape))
    (found,) = Interpreter(algebra).run(traced.graph, [given])
    assert isinstance(found, Value)
    return found


def test_bounds_take_in_what_is_padded() -> None:
    known = {"low": Fraction(2), "high": Fraction(3)}
    turned = moved(lambda x: tf.transpose(x), (2, 3), **known)
    assert (turned.low, turned.high, turned.is_positive) == (2, 3, True)
    padded = moved(lambda x: tf.pad(x, [[0, 0], [1, 0]]), (2, 3), **known)
    assert (padded.low, padded.high, padded.is_positive) == (0, 3, False)


@pytest.mark.parametrize(
    ("function", "spread"),
    [
        (lambda x: tf.transpose(x, (1, 0, 2)), {-3}),
        (lambda x: tf.reshape(x, (6, 4)), {-2}),
        (lambda x: tf.reshape(x, (2, 12)), {-1}),
        (lambda x: tf.expand_dims(x[:, 0], -1), set()),
        (lambda x: tf.pad(x, [[0, 0], [0, 1], [0, 0]]), None),
    ],
    ids=["transposed", "joined before", "joined behind", "one of them", "padded"],
)
def test_denominators_differ_along_the_axes_they_went_to(
    function: Callable[[Any], Any], spread: set[int] | None
) -> None:
    """Along the second axis of (2, 3, 4) denominators differ."""
    growth = Growth(1.0, 0.0, 1.0, 0.0)
    found = moved(function, (2, 3, 4), growth=growth, spread=frozenset({-2}))
    assert found.spread == spread


def test_where_elements_go_must_not_depend_on_data() -> None:
    algebra = Algebra(Field.drawn(0, 3))
    given = Value((2,), "float", algebra.field.draw((2,)))
    times = Value((1,), "int", algebra.field.draw((1,)), low=Fraction(1), high=Fraction(3))
    graph = (
        tf.function(tf.tile, autograph=False)
        .get_concrete_function(tf.TensorSpec((2,)), tf.TensorSpec((1,), tf.int32))
        .graph
    )
    with pytest.raises(CannotProveError, match="where `Tile` moves elements depends on data"):
        Interpreter(algebra).run(graph, [given, times])


def test_each_operation_names_its_data() -> None:
    assert moved_positions("ConcatV2", 3) == (0, 1)
    assert moved_positions("Pack", 3) == (0, 1, 2)
    assert moved_positions("Split", 2) == (1,)
    assert not [name for name in MOVEMENTS if not hasattr(tf.raw_ops, name)]


def test_elements_of_several_dtypes_are_not_joined() -> None:
    algebra = Algebra(Field.drawn(0, 3))
    one, other = (Value((2,), kind, algebra.field.draw((2,))) for kind in ("int", "float"))
    traced = tf.function(lambda x, y: tf.concat([x, y], 0), autograph=False)
    graph = traced.get_concrete_function(*[tf.TensorSpec((2,))] * 2).graph
    with pytest.raises(CannotProveError, match="several dtypes"):
        Interpreter(algebra).run(graph, [one, other])
    assert np.prod(one.shape) == one.size
