"""User code that asks for the number of samples is noticed; code that passes it on is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from layerlens.proof.asked_samples import refusing_to_tell
from layerlens.proof.field.value import CannotProveError

pytestmark = pytest.mark.usefixtures("backend")

#: No other axis is as long.
SAMPLES = 11


def traced(function: Callable[[Any], Any]) -> None:
    traceable = tf.function(function, autograph=False)
    with refusing_to_tell(SAMPLES):
        traceable.get_concrete_function(tf.TensorSpec((SAMPLES, 4)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: x.shape[0] == 3,
        lambda x: x.shape.as_list()[0] > 3,
        lambda x: next(iter(x.shape)) < 3,
        lambda x: bool(x.shape[0] - SAMPLES),
        lambda x: x.shape[0] * 2 + 1 >= 3,
        lambda x: x.shape[0] / 2,
        lambda x: x.shape[0] in {3, 4},
        lambda x: f"{x.shape[0]}",
        lambda x: max(x.shape[0], 3),
        lambda x: x.shape[:1] == (3,),
        lambda x: x.shape.num_elements() > 3,
    ],
)
def test_asking_is_refused(ask: Callable[[Any], Any]) -> None:
    def called(x: Any) -> Any:
        ask(x)
        return x

    with pytest.raises(CannotProveError, match="asks for the number of samples"):
        traced(called)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tf.reshape(x, (x.shape[0], 2, 2)),
        lambda x: tf.reshape(x, (x.shape[0] * 4,)),
        lambda x: tf.concat([x, tf.zeros((x.shape[0], 1))], 1),
        lambda x: x if x.shape[1] == 4 else 2.0 * x,
        lambda x: x if len(x.shape) == 2 else 2.0 * x,
    ],
)
def test_passing_it_on_is_not(call: Callable[[Any], Any]) -> None:
    traced(call)


def test_shapes_are_as_before_afterwards() -> None:
    kept = {name: vars(tf.TensorShape)[name] for name in ("__getitem__", "__eq__", "as_list")}
    with pytest.raises(CannotProveError), refusing_to_tell(SAMPLES):
        assert tf.TensorShape((SAMPLES,))[0] == SAMPLES
    assert {name: vars(tf.TensorShape)[name] for name in kept} == kept
    assert type(tf.TensorShape((SAMPLES,))[0]) is int
