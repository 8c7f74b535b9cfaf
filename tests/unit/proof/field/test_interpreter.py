"""Pairs of functions that are equal everywhere, and pairs that only look so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.definedness import same
from layerlens.proof.field.interpreter import Interpreter
from layerlens.proof.field.residues import Field
from layerlens.proof.field.value import CannotProveError, Value
from tests.unit.tables.pairs import needs_backend

pytestmark = needs_backend

ops = keras.ops
Function = Callable[[Any], Any]


def agree(
    one: Function, other: Function, *shape: int, seed: int = 0, by_factors: bool = False
) -> bool:
    """Return whether two functions of a batch are proved equal.

    Raises:
        CannotProveError: one of them is refused.
    """
    algebra = Algebra(Field.drawn(seed, 4), by_factors=by_factors)
    interpreter = Interpreter(algebra)
    given = algebra.made(algebra.field.draw((3, *shape)))
    outputs = []
    for function in (one, other):
        traced = tf.function(function, autograph=False).get_concrete_function(
            tf.TensorSpec((None, *shape))
        )
        (found,) = interpreter.run(traced.graph, [given])
        assert isinstance(found, Value)
        outputs.append(found)
    ours, theirs = outputs
    alike = ours.shape == theirs.shape and algebra.compare(ours, theirs)
    return alike and same(ours.needs, theirs.needs)


def scaled(number: float) -> Function:
    return lambda x: x * np.float32(number)


EQUAL: dict[str, tuple[Function, Function]] = {
    "sorted, whatever the order before": (
        lambda x: ops.sort(x, -1),
        lambda x: ops.sort(x[:, ::-1], -1),
    ),
    "the greatest first": (lambda x: ops.sort(x, -1)[:, ::-1], lambda x: ops.top_k(x, 4)[0]),
    "sorted by the other sign": (lambda x: ops.sort(x, -1), lambda x: -ops.sort(-x, -1)[:, ::-1]),
    "the first of all in order": (lambda x: ops.top_k(x, 2)[0][:, 0], lambda x: ops.max(x, -1)),
    "the last of all in order": (lambda x: ops.sort(x, -1)[:, 0], lambda x: ops.min(x, -1)),
    "median": (
        lambda x: ops.sort(x[:, :3], -1)[:, 1],
        lambda x: ops.top_k(ops.roll(x[:, :3], 1, axis=-1), 2)[0][:, 1],
    ),
    "a bin is the number of boundaries that are reached": (
        lambda x: ops.cast(ops.digitize(x, np.array([0.0, 0.1])), "float32"),
        lambda x: ops.cast(x >= 0, "float32") + ops.cast(x >= 0.1, "float32"),
    ),
    "what is sliced away need not be defined": (
        lambda x: ops.sqrt(x)[:, :2],
        lambda x: ops.sqrt(x[:, :2]),
    ),
    "shares of a sum": (
        lambda x: x / ops.sum(x, -1, keepdims=True) + 1.0,
        lambda x: (x + ops.sum(x, -1, keepdims=True)) / ops.sum(x, -1, keepdims=True),
    ),
    "undefined everywhere": (lambda x: (x - x) / (x - x), lambda x: (0.0 * x) / (x * 0.0)),
    "what does not differ is equal": (
        lambda x: ops.where(x == 1, x, -x),
        lambda x: ops.where(x != 1, -x, x),
    ),
    "not any is all not": (
        lambda x: ops.where(ops.any(x == 1, -1, keepdims=True), x, -x),
        lambda x: ops.where(ops.all(x != 1, -1, keepdims=True), -x, x),
    ),
    "a positive number is not zero": (
        lambda x: ops.where(ops.exp(x) == 0, x, -x),
        lambda x: -x,
    ),
    "distributive law": (lambda x: x * (x + 2.0), lambda x: x * x + x + x),
    "a third three times": (lambda x: x * (1 / 3) * 3, lambda x: x + 0.0),
    "a tenth in both precisions": (scaled(0.1), lambda x: x / 10.0),
    "order of terms": (
        lambda x: ops.exp(x) + ops.exp(x[:, ::-1]),
        lambda x: ops.exp(x[:, ::-1]) + ops.exp(x),
    ),
    "erf is odd": (lambda x: ops.erf(-x), lambda x: -ops.erf(x)),
    "tanh is odd": (lambda x: ops.tanh(-x), lambda x: -ops.tanh(x)),
    "cosine is even": (lambda x: ops.cos(-x), ops.cos),
    "sigmoid and its mirror": (lambda x: ops.sigmoid(-x), lambda x: 1.0 - ops.sigmoid(x)),
    "tanh by sigmoid": (lambda x: 2.0 * ops.sigmoid(2.0 * x) - 1.0, ops.tanh),
    "softmax written out": (
        lambda x: ops.exp(x) / ops.sum(ops.exp(x), -1, keepdims=True),
        lambda x: ops.softmax(x, -1),
    ),
    "absolute value": (lambda x: ops.maximum(x, -x), ops.abs),
    "relu of both signs": (lambda x: ops.relu(x) - ops.relu(-x), lambda x: x + 0.0),
    "relu twice": (lambda x: ops.relu(ops.relu(x)), ops.relu),
    "clip": (
        lambda x: ops.clip(x, -1.0, 1.0),
        lambda x: ops.maximum(ops.minimum(1.0, x), -1.0),
    ),
    "maximum of maxima": (
        lambda x: ops.max(ops.relu(x), -1),
        lambda x: ops.relu(ops.max(x, -1)),
    ),
    "tanh of a maximum": (
        lambda x: ops.tanh(ops.max(x, -1)),
        lambda x: ops.max(ops.tanh(x), -1),
    ),
    "rows in another order": (lambda x: ops.sum(x[:, ::-1], -1), lambda x: ops.sum(x, -1)),
    "a matrix transposed": (
        lambda x: ops.matmul(x[:, :, None], x[:, None, :]),
        lambda x: ops.einsum("bi,bj->bij", x, x),
    ),
    "same selection": (
        lambda x: ops.where(x > 0, x, 0.0 * x),
        lambda x: ops.where(ops.logical_not(x <= 0), x, 0.0 * x),
    ),
    "the same undefined place": (lambda x: x / x, lambda x: x * (1.0 / x)),
    "a positive denominator": (
        lambda x: x / (1.0 + x * x) + x * x * x / (1.0 + x * x),
        lambda x: x + 0.0,
    ),
}

UNEQUAL: dict[str, tuple[Function, Function]] = {
    "x / x is not 1 at zero": (lambda x: x / x, lambda x: 0.0 * x + 1.0),
    "x² / x is not x at zero": (lambda x: x * x / x, lambda x: x + 0.0),
    "a root squared forgets its domain": (lambda x: ops.square(ops.sqrt(x)), lambda x: x + 0.0),
    "a root of a square forgets the sign": (lambda x: ops.sqrt(x * x), lambda x: x + 0.0),
    "a part without a root is sliced away": (
        lambda x: ops.sqrt(x)[:, :2],
        lambda x: ops.sqrt(x)[:, :2] + 0.0 * ops.sqrt(x)[:, 2:],
    ),
    "a root of another element": (
        lambda x: ops.concatenate([ops.sqrt(x[:, :1]), x[:, 1:]], -1),
        lambda x: ops.concatenate([ops.sqrt(x[:, :1]), x[:, 1:] + 0.0 * ops.sqrt(x[:, :1])], -1),
    ),
    "a sum of what may be undefined": (
        lambda x: ops.log(x) + 0.0 * ops.sum(ops.log(x), -1, keepdims=True),
        ops.log,
    ),
    "a product with what may be undefined": (
        lambda x: x + 0.0 * ops.matmul(ops.log(x), np.eye(4, dtype="float32")),
        lambda x: x + 0.0 * ops.log(x),
    ),
    "greater, or equal": (
        lambda x: ops.where(x > 0, 0.0 * x + 1.0, 0.0 * x),
        lambda x: ops.where(x >= 0, 0.0 * x + 1.0, 0.0 * x),
    ),
    "another threshold": (
        lambda x: ops.where(x > 0, x, 0.0 * x),
        lambda x: ops.where(x > 1e-3, x, 0.0 * x),
    ),
    "neighbours in float32": (scaled(0.1), scaled(np.nextafter(np.float32(0.1), np.float32(1)))),
    "another epsilon": (lambda x: x / (x * x + 1e-7), lambda x: x / (x * x + 1e-8)),
    "floor against round": (ops.floor, ops.round),
    "floor is not odd": (lambda x: ops.floor(-x), lambda x: -ops.floor(x)),
    "tanh against a fraction": (ops.tanh, lambda x: x / (1.0 + ops.abs(x))),
    "a large constant in float32": (scaled(2.0**31), scaled(2.0**31 - 2.0**8)),
    "cosine is not odd": (lambda x: ops.cos(-x), lambda x: -ops.cos(x)),
    "sine does not pass a maximum": (
        lambda x: ops.sin(ops.max(x, -1)),
        lambda x: ops.max(ops.sin(x), -1),
    ),
    "a maximum is not a sum": (lambda x: ops.max(x, -1), lambda x: ops.sum(x, -1)),
    "leaky by another slope": (
        lambda x: ops.leaky_relu(x, 0.2),
        lambda x: ops.leaky_relu(x, 0.3),
    ),
    "a bin is the number of boundaries that are passed": (
        lambda x: ops.cast(ops.digitize(x, np.array([0.0, 0.1])), "float32"),
        lambda x: ops.cast(x > 0, "float32") + ops.cast(x > 0.1, "float32"),
    ),
    "another number at one point": (lambda x: ops.where(x == 0, 1.0 + x, x), lambda x: x + 0.0),
    "equal, or not": (lambda x: ops.where(x == 1, x, -x), lambda x: ops.where(x != 1, x, -x)),
    "any is not all": (
        lambda x: ops.where(ops.any(x == 1, -1, keepdims=True), x, -x),
        lambda x: ops.where(ops.all(x == 1, -1, keepdims=True), x, -x),
    ),
    "a shifted row": (lambda x: ops.roll(x, 1, -1), lambda x: x + 0.0),
    "one column left out": (lambda x: ops.sum(x[:, 1:], -1), lambda x: ops.sum(x, -1)),
    "relu6 against relu": (ops.relu6, ops.relu),
    "exact gelu and its approximation": (
        lambda x: ops.gelu(x, approximate=False),
        lambda x: ops.gelu(x, approximate=True),
    ),
    "sorted rows are other rows": (lambda x: ops.sort(x, -1), lambda x: x + 0.0),
    "sorted downwards": (lambda x: ops.sort(x, -1), lambda x: ops.top_k(x, 4)[0]),
    "the first and the second": (
        lambda x: ops.top_k(x, 2)[0][:, 0],
        lambda x: ops.top_k(x, 2)[0][:, 1],
    ),
    "sorted along samples": (lambda x: ops.sort(x, -1), lambda x: ops.sort(x, 0)),
    "a square is not increasing": (lambda x: ops.sort(x * x), lambda x: ops.square(ops.sort(x))),
    "the second of three and of four": (
        lambda x: ops.top_k(x[:, :3], 2)[0],
        lambda x: ops.top_k(x, 2)[0],
    ),
    "multiplied from behind": (
        lambda x: ops.cumprod(x, -1),
        lambda x: ops.cumprod(x[:, ::-1], -1),
    ),
    "cumulated from behind": (
        lambda x: ops.cumsum(x, -1),
        lambda x: ops.cumsum(x[:, ::-1], -1),
    ),
}

BY_FACTORS: dict[str, tuple[Function, Function]] = {
    "relu of a multiple": (lambda x: ops.relu(3.0 * x), lambda x: 3.0 * ops.relu(x)),
    "relu of a part": (lambda x: ops.relu(x / 1000.0), lambda x: ops.relu(x) / 1000.0),
    "maximum of multiples": (
        lambda x: ops.maximum(0.1 * x, 0.1 * x[:, ::-1]),
        lambda x: 0.1 * ops.maximum(x, x[:, ::-1]),
    ),
    "leaky by a maximum": (ops.leaky_relu, lambda x: ops.maximum(x, x * 0.2)),
    "distance of a negative multiple": (lambda x: ops.abs(-2.0 * x), lambda x: 2.0 * ops.abs(x)),
    "root of a square's multiple": (
        lambda x: ops.sqrt(1.0 + x * x) / 3.0,
        lambda x: ops.sqrt((1.0 + x * x) / 9.0),
    ),
    "inverse root of a multiple": (
        lambda x: ops.rsqrt(4e-3 + 4.0 * (x * x)),
        lambda x: ops.rsqrt(1e-3 + x * x) / 2.0,
    ),
    "a scaled threshold": (
        lambda x: ops.where(x > 0.5, x, -x),
        lambda x: ops.where(4.0 * x > 2.0, x, -x),
    ),
}

NOT_BY_FACTORS: dict[str, tuple[Function, Function]] = {
    "relu of a negative multiple": (lambda x: ops.relu(-3.0 * x), lambda x: -3.0 * ops.relu(x)),
    "relu of a shifted multiple": (lambda x: ops.relu(3.0 * x + 1.0), lambda x: 3.0 * ops.relu(x)),
    "another factor of each column": (
        lambda x: ops.relu(x * np.arange(1.0, 5.0, dtype=np.float32)),
        lambda x: 2.0 * ops.relu(x),
    ),
    "root of a multiple that is no square": (
        lambda x: ops.sqrt(2.0 + 2.0 * x * x),
        lambda x: 2.0 * ops.sqrt(1.0 + x * x),
    ),
    "a turned threshold": (
        lambda x: ops.where(x > 0.5, x, -x),
        lambda x: ops.where(-4.0 * x > -2.0, x, -x),
    ),
    "tanh is no multiple": (lambda x: ops.tanh(2.0 * x), lambda x: 2.0 * ops.tanh(x)),
    "neighbouring factors": (
        lambda x: ops.relu(x * np.float32(3.0000002)),
        lambda x: 3.0 * ops.relu(x),
    ),
    "a factor that depends on data": (
        lambda x: ops.relu(x[:, :1] * x),
        lambda x: x[:, :1] * ops.relu(x),
    ),
}

REFUSED: dict[str, tuple[Function, str]] = {
    "selected where there is a root": (
        lambda x: ops.where(x > 0, ops.sqrt(x), 0.0 * x),
        "`SelectV2` takes a value that may be undefined",
    ),
    "the greater of what may be undefined": (
        lambda x: ops.maximum(ops.log(x), 0.0),
        "`Maximum` takes a value that may be undefined",
    ),
    "compared where there may be no number": (
        lambda x: ops.cast(ops.sqrt(x) > 1, "float32"),
        "`Greater` takes a value that may be undefined",
    ),
    "asked whether it is a number": (
        lambda x: ops.where(ops.isnan(ops.sqrt(x)), 0.0 * x, ops.sqrt(x)),
        "`IsNan` takes a value that may be undefined",
    ),
    "a function that ends infinity": (lambda x: ops.tanh(1.0 / x), "`Tanh` takes a value"),
    "divided by what may be infinite": (
        lambda x: 1.0 / (1.0 / x),
        "takes a value that may be|undefined",
    ),
    "half precision": (lambda x: ops.cast(ops.cast(x, "float16"), "float32"), "half precision"),
    "rounded to integers": (lambda x: ops.cast(ops.cast(x, "int32"), "float32"), "int32"),
    "random": (lambda x: x + tf.random.uniform((4,), seed=1), "RandomUniform.*each time"),
    "places of sorted values": (
        lambda x: ops.take(x, ops.argsort(x, -1)[0], -1),
        "positions in",
    ),
    "sorted where there may be no number": (lambda x: ops.sort(ops.log(x), -1), "may be undefined"),
    "the place of the maximum": (lambda x: ops.argmax(x, -1), "integers"),
    "minus infinity": (lambda x: ops.where(x > 0, x, -np.inf), "infinite"),
    "a loop on data": (
        lambda x: ops.while_loop(lambda y: ops.sum(y) < 10.0, lambda y: (y + 1.0,), (x,))[0],
        "depends on data",
    ),
    "an unusual power": (lambda x: ops.power(x, 0.3), "power"),
    "division by a constant zero": (lambda x: x / (x - x), "by zero"),
}


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.parametrize("seed", [0, 1])
def test_equal_functions_are_proved(name: str, seed: int) -> None:
    assert agree(*EQUAL[name], 4, seed=seed)


@pytest.mark.parametrize("name", UNEQUAL)
@pytest.mark.parametrize("seed", range(5))
def test_functions_that_differ_somewhere_are_not(name: str, seed: int) -> None:
    assert not agree(*UNEQUAL[name], 4, seed=seed)


@pytest.mark.parametrize("name", BY_FACTORS)
def test_factors_pass_what_they_can(name: str) -> None:
    assert agree(*BY_FACTORS[name], 4, by_factors=True)
    assert not agree(*BY_FACTORS[name], 4)


@pytest.mark.parametrize("name", [*NOT_BY_FACTORS, *UNEQUAL])
def test_factors_pass_nothing_else(name: str) -> None:
    assert not agree(*(NOT_BY_FACTORS | UNEQUAL)[name], 4, by_factors=True)


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_field_can_tell_is_refused(name: str) -> None:
    function, reason = REFUSED[name]
    with pytest.raises(CannotProveError, match=reason):
        agree(function, function, 4)


def test_loops_of_known_length_are_run() -> None:
    def looped(x: Any) -> Any:
        return tf.while_loop(lambda n, y: n < 3, lambda n, y: (n + 1, y * x), (0, x))[1]

    assert agree(looped, lambda x: x * x * x * x, 4)
    assert not agree(looped, lambda x: x * x * x, 4)


def test_a_bias_along_another_axis_is_told_by_the_static_trace() -> None:
    """With one sample, (1, 3) is added to (1, 3, 1) along the second axis."""
    algebra = Algebra(Field.drawn(0, 4))
    interpreter = Interpreter(algebra)
    traced = tf.function(lambda x: ops.add(x[:, :, None], x), autograph=False)
    given = algebra.made(algebra.field.draw((2, 2)))
    interpreter.run(traced.get_concrete_function(tf.TensorSpec((None, 2))).graph, [given])
    assert 1 in interpreter.doubtful_sizes


def test_an_error_bound_is_measured() -> None:
    algebra = Algebra(Field.drawn(0, 4))
    given = algebra.made(algebra.field.draw((3, 4)))
    powers = algebra.exp(given)
    assert algebra.evaluations == 12
    assert 0 < algebra.error_bound < 1e-25
    total = algebra.total(powers, [1], keepdims=True)
    algebra.compare(algebra.divide(powers, total), powers)
    assert algebra.worst.of_a_difference() >= 2


def test_a_maximum_over_nothing_is_refused() -> None:
    with pytest.raises(CannotProveError, match="of no elements"):
        agree(lambda x: ops.max(x[:, :0], 1), lambda x: x, 4)


def test_an_operation_on_shapes_that_do_not_fit_is_refused() -> None:
    algebra = Algebra(Field.drawn(0, 4))
    traced = tf.function(lambda x: tf.matmul(x, x), autograph=False)
    graph = traced.get_concrete_function(tf.TensorSpec((None, None))).graph
    given = algebra.made(algebra.field.draw((3, 4)))
    with pytest.raises(CannotProveError, match="`MatMul` is not supported here"):
        Interpreter(algebra).run(graph, [given])
