"""What is taken to be known of Keras' layers holds for the version that is installed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from layerlens.proof.keras_layers import (
    NO_OPS,
    WITH_ACTIVATION,
    WITHOUT_MASKS,
    activation_host,
    ignores_masks,
    is_exactly,
    is_no_op,
)

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize("name", WITHOUT_MASKS)
def test_layers_without_masks_neither_take_nor_read_one(name: str) -> None:
    import keras

    kind = getattr(keras.layers, name)
    assert not [a for a in inspect.signature(kind.call).parameters if "mask" in a]
    for base in kind.__mro__:
        if base.__module__.startswith("keras.src.layers.") and "call" in vars(base):
            assert "mask" not in inspect.getsource(vars(base)["call"])


def test_a_layer_that_reads_masks_off_its_inputs_heeds_them() -> None:
    import keras

    for layer in (keras.layers.Multiply(), keras.layers.LSTM(2), keras.layers.Softmax()):
        assert not ignores_masks(layer)
    assert ignores_masks(keras.layers.TimeDistributed(keras.layers.Dense(2)))
    assert not ignores_masks(keras.layers.TimeDistributed(keras.layers.LSTM(2)))


def test_nothing_is_known_of_a_subclass() -> None:
    import keras

    for name in (*NO_OPS, *WITH_ACTIVATION):
        derived = type(name, (getattr(keras.layers, name),), {})
        layer: Any = derived.__new__(derived)
        assert not is_exactly(layer, name)
        assert activation_host(layer) is None
        assert not is_no_op(layer)


def test_a_wrapper_holds_the_activation_of_what_it_wraps() -> None:
    import keras

    dense = keras.layers.Dense(2, activation="relu")
    inner = keras.layers.TimeDistributed(dense)
    assert activation_host(keras.layers.TimeDistributed(inner)) is dense
    assert activation_host(keras.layers.LSTM(2)) is None
    assert is_no_op(keras.layers.Activation("linear"))
    assert not is_no_op(keras.layers.Activation("relu"))
