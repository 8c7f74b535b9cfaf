"""Tracing leaves Keras' scopes of names as they were."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from layerlens.models.execute.tracing import trace_call

pytestmark = pytest.mark.usefixtures("backend")


def test_a_refused_name_changes_no_path_of_later_weights() -> None:
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, name="my layer")], name="outer"
    )
    with pytest.raises(ValueError, match="not a valid scope name"):
        trace_call(model, [tf.TensorSpec((None, 3))])
    later = keras.layers.Dense(2, name="later")
    later.build((None, 3))
    assert later.kernel.path == "later/kernel"


def test_scopes_that_were_open_stay_open() -> None:
    with keras.name_scope("around"):
        trace_call(lambda x: x + 1.0, [tf.TensorSpec((None, 3))])
        assert keras.Variable(1.0, name="inside").path == "around/inside"
