"""Gradients are by floating inputs and weights, along given directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from layerlens.models.execute.gradients import gradients_of

pytestmark = pytest.mark.usefixtures("backend")


def test_gradients_follow_the_direction_of_each_floating_output() -> None:
    x, steps, w = tf.constant([[1.0, 2.0]]), tf.constant([[3, 4]]), tf.Variable([2.0, 5.0])
    found = gradients_of(
        lambda given: [given[0] * w, given[1], given[0] ** 2],
        [x, steps],
        [w],
        [np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])],
    )
    assert found is not None
    (by_input,), (by_weight,) = found
    assert by_input is not None
    assert by_weight is not None
    np.testing.assert_array_equal(by_input, [[2.0, 4.0]])
    np.testing.assert_array_equal(by_weight, [1.0, 0.0])


def test_an_unused_weight_has_no_gradient() -> None:
    x, w = tf.constant([[1.0]]), tf.Variable([2.0])
    found = gradients_of(lambda given: given[0], [x], [w], [np.ones((1, 1))])
    assert found is not None
    assert found[1] == [None]


def test_an_operation_without_gradient_has_none() -> None:
    x = tf.constant([[[0.1, 0.2, 0.3]]])
    found = gradients_of(
        lambda given: tf.raw_ops.AdjustHue(images=given[0], delta=0.5),
        [x],
        [],
        [np.ones((1, 1, 3))],
    )
    assert found is None


def test_a_gradient_of_a_layer_that_fails_is_none() -> None:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def doubled(x: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            raise ValueError("too many values to unpack")

        return 2 * x, gradient

    x = tf.constant([[1.0]])
    assert gradients_of(lambda given: doubled(given[0]), [x], [], [np.ones((1, 1))]) is None


def test_weights_that_are_not_trainable_have_a_gradient_where_it_is_asked_for() -> None:
    x, w = tf.constant([[3.0]]), tf.Variable([2.0], trainable=False)
    for frozen, expected in ((False, None), (True, 3.0)):
        found = gradients_of(lambda given: given[0] * w, [x], [w], [np.ones((1, 1))], frozen=frozen)
        assert found is not None
        (by_weight,) = found[1]
        assert (None if by_weight is None else float(by_weight[0])) == expected
