"""What depends on the number of samples is refused, and what passes samples on is not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import keras
import pytest
import tensorflow as tf

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.interpreter import Interpreter
from layerlens.proof.field.residues import Field
from layerlens.proof.field.samples import SampleCheck
from layerlens.proof.field.value import CannotProveError
from tests.unit.tables.pairs import needs_backend

pytestmark = needs_backend

ops = keras.ops
#: Divides neither of the two sizes of a sample.
SAMPLES = 5


def run(function: Callable[[Any], Any]) -> None:
    """Run a function of samples of 3 steps and 4 features, and check it."""
    algebra = Algebra(Field.drawn(0, 1))
    interpreter = Interpreter(algebra)
    interpreter.samples = SampleCheck(SAMPLES)
    traced = tf.function(function, autograph=False)
    graph = traced.get_concrete_function(tf.TensorSpec((None, 3, 4))).graph
    interpreter.run(graph, [algebra.made(algebra.field.draw((SAMPLES, 3, 4)))])


UNIFORM: dict[str, Callable[[Any], Any]] = {
    "elementwise": lambda x: ops.gelu(x + 1.0) * x,
    "along steps": lambda x: ops.cumsum(ops.sum(x, axis=-1), axis=1),
    "mean of a batch": lambda x: x - ops.mean(x, axis=0),
    "a step": lambda x: x[:, -1],
    "the last features": lambda x: x[..., 1:],
    "reshaped": lambda x: ops.reshape(x, (-1, 12)),
    "reshaped by its size": lambda x: ops.reshape(x, (ops.shape(x)[0], 2, 6)),
    "steps as samples": lambda x: ops.reshape(ops.reshape(x, (-1, 4)) * 2.0, (-1, 3, 4)),
    "steps first": lambda x: ops.transpose(ops.flip(ops.transpose(x, (1, 0, 2)), 0), (1, 0, 2)),
    "attention": lambda x: ops.softmax(x @ ops.transpose(x, (0, 2, 1)), -1) @ x,
    "a row for each": lambda x: ops.concatenate(
        [ops.broadcast_to(ops.ones((1, 1, 4)), (ops.shape(x)[0], 1, 4)), x], axis=1
    ),
    "tensordot": lambda x: tf.tensordot(x, tf.ones((4, 6)), 1),
    "padded and joined": lambda x: ops.concatenate([ops.pad(x, ((0, 0), (1, 1), (0, 0))), x], 1),
    "repeated steps": lambda x: ops.repeat(x, 2, axis=1),
}

COUNTING: dict[str, Callable[[Any], Any]] = {
    "sum over samples": lambda x: ops.sum(x, axis=0),
    "sum over all": lambda x: x + ops.sum(x),
    "greatest of a batch": lambda x: x - ops.max(x, axis=0),
    "their number": lambda x: x * ops.cast(ops.shape(x)[0], "float32"),
    "their number, counted": lambda x: x * ops.sum(ops.ones_like(x[:, 0, 0])),
    "enough of them": lambda x: tf.cond(tf.shape(x)[0] > 9, lambda: x, lambda: 2.0 * x),
    "at most some": lambda x: x[: tf.minimum(tf.shape(x)[0], 9)],
    "the first": lambda x: x[:1],
    "the first few": lambda x: x[:9],
    "backwards": lambda x: ops.flip(x, axis=0),
    "rolled": lambda x: ops.roll(x, 1, axis=0),
    "in order": lambda x: ops.cumsum(x, axis=0),
    "numbered": lambda x: x[:, 0, 0] + ops.cast(ops.arange(ops.shape(x)[0]), "float32"),
    "one more": lambda x: ops.pad(x, ((1, 0), (0, 0), (0, 0))),
    "twice as many": lambda x: ops.concatenate([x, x], axis=0),
    "repeated": lambda x: tf.tile(x, [2, 1, 1]),
    "as features": lambda x: ops.reshape(x, (4, -1)),
    "softmax over samples": lambda x: ops.softmax(x, axis=0),
    "products of samples": lambda x: ops.einsum("ijk,ilm->jklm", x, x),
    "one after the other": lambda x: tf.map_fn(lambda one: 2.0 * one, x),
}


def counted(tokens: int, most: Callable[[Any], Any]) -> None:
    """Check a function of tokens that counts each, up to `most(greatest token)`."""
    algebra = Algebra(Field.drawn(0, 1))
    interpreter = Interpreter(algebra)
    interpreter.samples = SampleCheck(SAMPLES)

    def function(x: Any) -> Any:
        size = most(tf.reduce_max(x))
        return tf.raw_ops.DenseBincount(input=x, size=size, weights=tf.zeros((0,)))

    graph = tf.function(function).get_concrete_function(tf.TensorSpec((None, 3), "int32")).graph
    drawn = algebra.field.draw((SAMPLES, 3))
    top = Fraction(tokens - 1)
    interpreter.run(graph, [algebra.made(drawn, kind="int", low=Fraction(0), high=top)])


def test_a_category_encoding_counts_no_samples() -> None:
    layer = keras.layers.CategoryEncoding(num_tokens=6, output_mode="count")
    algebra = Algebra(Field.drawn(0, 1))
    interpreter = Interpreter(algebra)
    interpreter.samples = SampleCheck(SAMPLES)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((None, 3), "int32")).graph
    drawn = algebra.field.draw((SAMPLES, 3))
    interpreter.run(graph, [algebra.made(drawn, kind="int", low=Fraction(0), high=Fraction(5))])


def test_the_greatest_token_of_a_batch_may_be_clipped_to_one_number() -> None:
    counted(4, lambda greatest: tf.minimum(tf.maximum(greatest + 1, 6), 6))
    for most in (
        lambda greatest: tf.maximum(greatest + 1, 3),
        lambda greatest: tf.minimum(greatest + 1, 3),
        lambda greatest: greatest + 1,
        lambda greatest: tf.maximum(greatest // 2, 6),
    ):
        with pytest.raises(CannotProveError):
            counted(4, most)


def test_a_size_is_not_clipped() -> None:
    """Its range is known for this number of samples alone."""
    with pytest.raises(CannotProveError, match="number of samples"):
        run(lambda x: x * tf.cast(tf.maximum(tf.size(x), 9), "float32"))
    with pytest.raises(CannotProveError, match="number of samples"):
        run(lambda x: tf.where(tf.size(x) > 200, x, -x))


@pytest.mark.parametrize("name", UNIFORM)
def test_samples_that_pass_alone_are_accepted(name: str) -> None:
    run(UNIFORM[name])


@pytest.mark.parametrize("name", COUNTING)
def test_what_runs_across_samples_is_refused(name: str) -> None:
    with pytest.raises(CannotProveError, match="number of samples"):
        run(COUNTING[name])
