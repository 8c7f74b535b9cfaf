"""A traced function knows whether its last call was quick."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from layerlens.models.execute import traced_function
from layerlens.models.execute.traced_function import TracedFunction

pytestmark = pytest.mark.usefixtures("backend")


def test_the_last_call_decides_whether_the_function_is_quick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signature = tf.TensorSpec((2,), tf.float32)
    concrete = tf.function(lambda x: x * 2.0).get_concrete_function(signature)
    traced = TracedFunction(concrete)
    assert not traced.is_quick
    assert traced.rounding is None
    monkeypatch.setattr(traced_function, "_QUICK_SECONDS", float("inf"))
    np.testing.assert_array_equal(traced(tf.constant([1.0, 2.0])), [2.0, 4.0])
    assert traced.is_quick
    monkeypatch.setattr(traced_function, "_QUICK_SECONDS", 0.0)
    traced(tf.constant([1.0, 2.0]))
    assert not traced.is_quick
