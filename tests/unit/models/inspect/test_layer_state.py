"""State from `adapt`, attributes of the user's classes, and arguments of calls."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.models.inspect.call_graph import producing_call
from layerlens.models.inspect.layer_state import call_arguments, state_of

pytestmark = pytest.mark.usefixtures("backend")


class Own(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.factor = 2.5
        self.sizes = (1, 2)
        self.table = np.asarray([1.0, 2.0])
        self.configured = 3
        self.anything = object()
        self._private = 4

    def call(self, inputs: Any, scale: float = 1.0, shift: Any = None) -> Any:
        return inputs * scale


def test_keras_layers_have_state_only_from_adapt() -> None:
    assert state_of(keras.layers.Dense(2), {}) == {}
    normal = keras.layers.Normalization(axis=-1)
    normal.adapt(np.asarray([[1.0], [3.0]], "float32"))
    found = state_of(normal, {})
    assert set(found) == {"mean", "variance"}
    assert np.ravel(found["mean"]).tolist() == [2.0]


def test_a_vocabulary_is_state_once_it_is_learnt() -> None:
    lookup = keras.layers.StringLookup(num_oov_indices=1)
    lookup.adapt(np.asarray(["b", "b", "a"]))
    assert list(state_of(lookup, {})["vocabulary"]) == ["[UNK]", "b", "a"]


def test_plain_public_attributes_of_other_classes_are_state() -> None:
    found = state_of(Own(), {"configured": 3})
    assert set(found) == {"factor", "sizes", "table"}
    assert found["factor"] == 2.5
    assert list(found["sizes"]) == [1, 2]


def test_arguments_of_a_call_are_named_and_tensors_left_out() -> None:
    given = keras.Input((3,))
    layer = Own()
    assert call_arguments(producing_call(layer(given))) == {}
    assert list(call_arguments(producing_call(given[:, 0]))) == ["key"]  # passed by position
    named = producing_call(layer(given, scale=3.0, shift=keras.Input((3,))))
    assert call_arguments(named) == {"scale": 3.0}


def test_training_is_an_argument_where_it_is_not_the_default() -> None:
    given = keras.Input((4, 3))
    lstm = keras.layers.LSTM(2)
    assert call_arguments(producing_call(lstm(given))) == {}
    assert call_arguments(producing_call(lstm(given, training=True))) == {"training": True}
    flip = keras.layers.RandomFlip()
    image = keras.Input((4, 4, 3))
    assert call_arguments(producing_call(flip(image, training=False))) == {"training": False}
