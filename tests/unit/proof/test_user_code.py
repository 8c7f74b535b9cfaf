"""Code of the user's: proved where a graph tells all of it, refused where it may not."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.proof.graphs import Unproved, prove_graphs
from layerlens.proof.user_code import SAME_AT_EVERY_CALL
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import ModelSpec
from tests.unit.tables.pairs import input_of, needs_backend

pytestmark = needs_backend

ops = keras.ops
#: What a layer computes of itself and its input.
Call = Callable[[Any, Any], Any]

CALLED = {"count": 0}
LIMIT = [100]


class Scaled(keras.layers.Layer):  # type: ignore[misc]
    """A layer with one weight for each feature, and any call."""

    def __init__(self, compute: Call, **more: Any) -> None:
        super().__init__(**more)
        self.compute = compute
        self.calls = 0
        self.factor = None

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1],), initializer="ones", name="kernel")
        self.constant = tf.constant(np.arange(shape[-1], dtype="float32"))

    def call(self, x: Any) -> Any:
        return self.compute(self, x)


def side(given: Any, *shape: int | None, training: bool = False) -> Side:
    built = build_model(ModelSpec("m", "object", given=given), (input_of(*shape),), allow_code=True)
    assert isinstance(built, Built), built
    return Side.of("m", built, built, training=training, seed=0)


def proved(
    one: Any, other: Any, *shape: int | None, training: bool = False
) -> CertificateRow | Unproved:
    sides = [side(given, *shape, training=training) for given in (one, other)]
    transfer = pair_weights(*(weight_rows(held.built) for held in sides), "auto")
    assert transfer.complete, transfer.problem
    return prove_graphs(sides[0], sides[1], transfer, seed=0)


def of_calls(one: Call, other: Call, *shape: int, training: bool = False) -> Any:
    return proved(Scaled(one), Scaled(other), *(shape or (4,)), training=training)


def plain(layer: Any, x: Any) -> Any:
    return x * layer.kernel


def twice(layer: Any, x: Any) -> Any:
    return ops.add(x, x) * layer.kernel / 2.0


def normed(layer: Any, x: Any) -> Any:
    centred = x - ops.mean(x, axis=0, keepdims=True)
    return centred / ops.sqrt(ops.mean(ops.square(centred), axis=0) + 0.001) * layer.kernel


def normed_in_parts(layer: Any, x: Any) -> Any:
    mean, variance = ops.moments(x, axes=[0])
    return (x - mean) * ops.rsqrt(variance + 0.001) * layer.kernel


SAME: dict[str, tuple[Call, Call, tuple[int, ...]]] = {
    "an axis of five is asked about": (
        lambda layer, x: x * layer.kernel if x.shape[1] % 2 == 1 else x,
        twice,
        (5,),
    ),
    "plain operations": (plain, twice, (4,)),
    "constants are constants": (
        lambda layer, x: (x + layer.constant) * layer.kernel,
        lambda layer, x: x * layer.kernel + layer.kernel * np.arange(4, dtype="float32"),
        (4,),
    ),
    "one row for each sample": (
        lambda layer, x: ops.concatenate(
            [ops.broadcast_to(layer.kernel, (ops.shape(x)[0], 1, 4)), x], axis=1
        ),
        lambda layer, x: ops.concatenate([ops.zeros_like(x[:, :1]) + layer.kernel, x], axis=1),
        (3, 4),
    ),
    "reshaped by the number of samples": (
        lambda layer, x: ops.reshape(x * layer.kernel, (ops.shape(x)[0], 12)),
        lambda layer, x: ops.reshape(x * layer.kernel, (-1, 12)),
        (3, 4),
    ),
    "reshaped by the known number of samples": (
        lambda layer, x: ops.reshape(x * layer.kernel, (ops.shape(x)[0], x.shape[1] * x.shape[2])),
        lambda layer, x: ops.reshape(x * layer.kernel, (-1, 12)),
        (3, 4),
    ),
    "steps from behind": (
        lambda layer, x: x[:, ::-1] * layer.kernel,
        lambda layer, x: ops.flip(x, axis=1) * layer.kernel,
        (3, 4),
    ),
    "statistics of a batch": (normed, normed_in_parts, (4,)),
}


@pytest.mark.parametrize("name", SAME)
def test_plain_code_is_proved(name: str) -> None:
    one, other, shape = SAME[name]
    row = of_calls(one, other, *shape)
    assert isinstance(row, CertificateRow), row
    assert SAME_AT_EVERY_CALL in row.assumptions


def reads_its_weight(layer: Any, x: Any) -> Any:
    with tf.init_scope():
        mean = float(tf.reduce_mean(layer.kernel.value))
    return x * mean


def compares_its_weight(layer: Any, x: Any) -> Any:
    with tf.init_scope():
        far = bool(layer.kernel.value[0] > 1e6)
    return plain(layer, x) * (2.0 if far else 1.0)


def counts_its_calls(layer: Any, x: Any) -> Any:
    layer.calls += 1
    return plain(layer, x) * (2.0 if layer.calls > 1000 else 1.0)


def counts_elsewhere(layer: Any, x: Any) -> Any:
    CALLED["count"] += 1
    return plain(layer, x) * (2.0 if CALLED["count"] > 1000 else 1.0)


def draws_rarely(layer: Any, x: Any) -> Any:
    return plain(layer, x) * (2.0 if random.random() < 1e-9 else 1.0)


def draws_with_numpy(layer: Any, x: Any) -> Any:
    return plain(layer, x) * float(np.random.default_rng().normal())


def calls_python(layer: Any, x: Any) -> Any:
    found = tf.numpy_function(lambda a: a, [x], tf.float32, stateful=False)
    found.set_shape(x.shape)
    return plain(layer, found)


def calls_python_on_a_constant(layer: Any, x: Any) -> Any:
    read = tf.numpy_function(lambda _: layer.kernel.numpy()[0], [1.0], tf.float32, stateful=False)
    read.set_shape(())
    return x * read


def refuses_inputs(layer: Any, x: Any) -> Any:
    with tf.control_dependencies([tf.debugging.assert_less(x, 1e6)]):
        return plain(layer, tf.identity(x))


def for_many(layer: Any, x: Any) -> Any:
    many = ops.cast(ops.shape(x)[0] > 100, "float32")
    return plain(layer, x) * (1.0 + many)


def for_many_in_a_branch(layer: Any, x: Any) -> Any:
    return tf.cond(tf.shape(x)[0] > 100, lambda: 2.0 * plain(layer, x), lambda: plain(layer, x))


def for_known_many(layer: Any, x: Any) -> Any:
    return plain(layer, x) * (2.0 if x.shape[0] is not None and x.shape[0] > 40 else 1.0)


def for_one_number(layer: Any, x: Any) -> Any:
    return plain(layer, x) * (2.0 if x.shape[0] == ord("%") else 1.0)


def for_one_number_of_keras(layer: Any, x: Any) -> Any:
    samples = ops.shape(x)[0]
    return plain(layer, x) * (2.0 if isinstance(samples, int) and samples == ord("%") else 1.0)


def for_one_shape(layer: Any, x: Any) -> Any:
    return plain(layer, x) * (2.0 if x.shape == (ord("%"), 4) else 1.0)


def for_more_than_a_product(layer: Any, x: Any) -> Any:
    size = x.shape.num_elements()
    return plain(layer, x) * (2.0 if size is not None and size - ord("%") > 100 else 1.0)


def looked_up_by_number(layer: Any, x: Any) -> Any:
    return plain(layer, x) * {ord("%"): 2.0}.get(x.shape[0], 1.0)


def vanishes_at_few(layer: Any, x: Any) -> Any:
    n = ops.cast(ops.shape(x)[0], "float32")
    return plain(layer, x) + (n - 1.0) * (n - 2.0) * (n - 3.0) * (n - 5.0) * (n - 7.0) * (n - 10.0)


def counted_by_a_sum(layer: Any, x: Any) -> Any:
    n = ops.sum(ops.ones_like(x[:, 0]))
    return plain(layer, x) + (n - 1.0) * (n - 2.0) * (n - 3.0) * (n - 5.0) * (n - 7.0) * (n - 10.0)


def of_the_first_samples(layer: Any, x: Any) -> Any:
    return plain(layer, x) + 0.0 * ops.mean(x) + ops.mean(x[:200]) - ops.mean(x)


def rolled(layer: Any, x: Any) -> Any:
    return ops.roll(plain(layer, x), 421, axis=0)


def rolled_once(layer: Any, x: Any) -> Any:
    return ops.roll(plain(layer, x), 1, axis=0)


def in_half_precision(layer: Any, x: Any) -> Any:
    return ops.cast(ops.cast(plain(layer, x), "float16"), "float32")


def of_a_hidden_variable(layer: Any, x: Any) -> Any:
    return plain(layer, x) * HIDDEN[0]


HIDDEN: list[Any] = []


def draws_with_the_backend(layer: Any, x: Any) -> Any:
    with tf.init_scope():
        drawn = float(tf.random.uniform(()))
    return plain(layer, x) * (2.0 if drawn < 1e-9 else 1.0)


def draws_in_the_graph(layer: Any, x: Any) -> Any:
    return plain(layer, x) + 0.0 * tf.random.uniform(tf.shape(x))


ASKED = "user code asks for the number of samples"
REFUSED: dict[str, tuple[Call, Call, str]] = {
    "reads its weight": (reads_its_weight, reads_its_weight, "outside of the graph"),
    "compares its weight": (compares_its_weight, plain, "outside of the graph"),
    "counts its calls": (counts_its_calls, plain, "changes an attribute"),
    "counts elsewhere": (counts_elsewhere, plain, "changes an attribute"),
    "draws rarely": (draws_rarely, plain, "draws random numbers"),
    "draws with NumPy": (draws_with_numpy, plain, "a different graph at each trace"),
    "draws with the backend": (draws_with_the_backend, plain, "outside of the graph"),
    "draws in the graph": (draws_in_the_graph, draws_in_the_graph, "a different result each time"),
    "calls Python": (calls_python, plain, "runs or reads something outside the graph"),
    "calls Python on a constant": (
        calls_python_on_a_constant,
        plain,
        "something outside the graph",
    ),
    "refuses inputs": (refuses_inputs, plain, "may refuse inputs"),
    "for many": (for_many, plain, "the number of samples"),
    "for many in a branch": (for_many_in_a_branch, plain, "the number of samples"),
    "for a known number": (for_known_many, plain, ASKED),
    "for one number": (for_one_number, plain, ASKED),
    "for one number of Keras": (for_one_number_of_keras, plain, ASKED),
    "for one shape": (for_one_shape, plain, ASKED),
    "for more than a product": (for_more_than_a_product, plain, ASKED),
    "looked up by number": (looked_up_by_number, plain, ASKED),
    "vanishes at few": (vanishes_at_few, plain, "the number of samples"),
    "counted by a sum": (counted_by_a_sum, plain, "number of samples"),
    "of the first samples": (of_the_first_samples, plain, "the number of samples"),
    "rolled": (rolled, rolled_once, "the number of samples"),
    "half precision": (in_half_precision, plain, "it computes in half precision"),
    "a variable that is not a weight": (
        of_a_hidden_variable,
        plain,
        "a variable that is not a weight",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_graph_tells_is_refused(name: str) -> None:
    HIDDEN[:] = [tf.Variable(1.0)]
    one, other, reason = REFUSED[name]
    found = of_calls(one, other)
    assert isinstance(found, Unproved)
    assert reason in found.reason


def test_variable_lengths_with_own_code_are_refused() -> None:
    found = proved(Scaled(plain), Scaled(twice), None, 4)
    assert found == Unproved("user code may depend on any number of steps")


def test_statistics_in_training_are_proved() -> None:
    row = of_calls(normed, normed_in_parts, 4, training=True)
    assert isinstance(row, CertificateRow), row
    biased = of_calls(normed, lambda layer, x: normed(layer, x) * 1.001, 4, training=True)
    assert biased == Unproved("their expressions differ")


def test_functions_that_layers_hold_are_guarded() -> None:
    def chain(activation: Any) -> Any:
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation=activation)])

    row = proved(chain(lambda x: ops.tanh(x) + 0.0), chain("tanh"), 4)
    assert isinstance(row, CertificateRow), row
    assert SAME_AT_EVERY_CALL in row.assumptions
    drawn = proved(chain(lambda x: ops.tanh(x) * random.random()), chain("tanh"), 4)
    assert isinstance(drawn, Unproved)


def test_models_of_keras_own_layers_need_no_guard() -> None:
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3)(inputs)
    functional = keras.Model(inputs, ops.tanh(hidden) * 2.0)
    other = keras.Model(inputs, ops.tanh(hidden) + ops.tanh(hidden))
    row = proved(functional, other, 4)
    assert isinstance(row, CertificateRow), row
    assert row.assumptions == ()


def test_weights_are_as_before_behind_a_proof() -> None:
    sides = [side(Scaled(call), 4) for call in (plain, twice)]
    given = tuple(np.full(value.shape, 3.0, "float32") for value in sides[0].working.values())
    for held in sides:
        held.hold(given, "working")
    transfer = pair_weights(*(weight_rows(held.built) for held in sides), "auto")
    assert isinstance(prove_graphs(sides[0], sides[1], transfer, seed=0), CertificateRow)
    assert all(np.array_equal(held.working.values()[0], given[0]) for held in sides)
