"""A layer's configuration as flat plain data, by which two layers are told apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from layerlens.models.inspect.arguments import arguments_of

pytestmark = pytest.mark.usefixtures("backend")


def test_names_and_what_is_none_are_left_out_and_the_rest_is_plain() -> None:
    import keras

    layer = keras.layers.Dense(
        3, activation="relu", kernel_initializer=keras.initializers.HeNormal(seed=7), name="d"
    )
    found = arguments_of(layer)
    assert json.loads(json.dumps(found)) == found
    assert found["units"] == 3
    assert found["activation"] == "relu"
    assert found["kernel_initializer"] == "HeNormal(seed=7)"
    assert found["bias_initializer"] == "Zeros"
    assert found["dtype"] == "float32"
    assert found["trainable"] is True
    assert not {"name", "kernel_regularizer"} & set(found)


def test_what_a_layer_holds_goes_by_where_it_is_held() -> None:
    import keras

    layers = keras.layers

    def wrapped(units: int, name: str) -> Any:
        inner = keras.Sequential([keras.Input((4,)), layers.Dense(units, name=name)])
        return layers.TimeDistributed(inner)

    found = arguments_of(wrapped(3, "one"))
    assert (found["layer"], found["layer.layers[0]"]) == ("Sequential", "Dense")
    assert found["layer.layers[0].units"] == 3
    assert arguments_of(wrapped(3, "another")) == found
    assert arguments_of(wrapped(4, "one")) != found


def test_long_lists_are_told_by_their_number_and_a_digest() -> None:
    import keras

    words = [f"w{n}" for n in range(100)]
    one, other = (
        arguments_of(keras.layers.StringLookup(vocabulary=given))["vocabulary"]
        for given in (words, [*words[:-1], "x"])
    )
    assert one.startswith("100 values, #")
    assert one != other


def test_a_layer_that_cannot_tell_has_none() -> None:
    import keras

    class Silent(keras.layers.Layer):  # type: ignore[misc]
        def get_config(self) -> dict[str, Any]:
            raise RuntimeError("no")

    assert arguments_of(Silent()) == {}
