"""Gradients follow the outputs, unless an operation stops, replaces or spoils them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from layerlens.proof.gradients import gradients_follow_outputs

pytestmark = pytest.mark.usefixtures("backend")


def traced(compute: Callable[[Any], Any]) -> Any:
    signature = tf.TensorSpec([None, 3], tf.float32)
    return tf.function(compute, autograph=False).get_concrete_function(signature)


@tf.custom_gradient
def straight_through(x: Any) -> Any:
    return tf.round(x), lambda upstream: upstream


def looped(body: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def compute(x: Any) -> Any:
        return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, body(y)), (0, x))[1]

    return compute


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: tf.nn.relu(x) * 2.0,
        lambda x: x / (1.0 + x * x),
        lambda x: tf.where(x > 0.0, x, tf.tanh(x)),
        looped(tf.tanh),
    ],
)
def test_plain_operations_have_the_derivative_as_gradient(compute: Callable[[Any], Any]) -> None:
    assert gradients_follow_outputs(traced(compute))


STATE = []


def through_a_state(x: Any) -> Any:
    """Assign the input to a variable and read it again, as a stateful layer does."""
    if not STATE:
        STATE.append(tf.Variable(tf.zeros([2, 3])))
    STATE[0].assign(tf.reduce_sum(x, 0, keepdims=True) * tf.ones([2, 1]))
    return STATE[0].read_value()


@pytest.mark.parametrize(
    "compute",
    [
        tf.stop_gradient,
        through_a_state,
        straight_through,
        looped(tf.stop_gradient),
        looped(straight_through),
        tf.nn.silu,  # TensorFlow gives it a gradient of its own
        lambda x: tf.sqrt(tf.square(x)),  # NaN at 0
        lambda x: tf.where(x > 0.0, tf.math.log(x), x),  # NaN below 0
        lambda x: tf.compat.v1.nn.fused_batch_norm(
            x[:, None, None], [1.0] * 3, [0.0] * 3, [0.0] * 3, [1.0] * 3, is_training=False
        )[0],
    ],
)
def test_a_gradient_that_may_be_another_is_measured(compute: Callable[[Any], Any]) -> None:
    assert not gradients_follow_outputs(traced(compute))
