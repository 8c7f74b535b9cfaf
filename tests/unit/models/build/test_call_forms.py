"""A layer is called on several inputs in the form that its `call` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import pytest

from layerlens.models.build.call_forms import apply_by_name


class AsList(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        assert isinstance(inputs, list)
        return inputs[0] + inputs[1]


class AsMapping(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return inputs["left"] + inputs["right"]


class ByName(keras.layers.Layer):  # type: ignore[misc]
    def call(self, right: Any, left: Any) -> Any:
        return left - right


class Separate(keras.layers.Layer):  # type: ignore[misc]
    def call(self, one: Any, other: Any) -> Any:
        return one - other


class Never(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        raise RuntimeError("refused in every form")


def tensors() -> Mapping[str, Any]:
    return {"left": keras.Input((3,), name="left"), "right": keras.Input((3,), name="right")}


@pytest.mark.parametrize(
    ("kind", "result"),
    [(AsList, 7.0), (AsMapping, 7.0), (ByName, 3.0), (Separate, 3.0), (keras.layers.Add, 7.0)],
)
def test_the_form_is_found_and_called_once(kind: Any, result: float) -> None:
    given, layer = tensors(), kind()
    output = apply_by_name(layer, kind.__name__, given)
    assert len(layer._inbound_nodes) == 1
    model = keras.Model(list(given.values()), output)
    fives, twos = 5 * keras.ops.ones((1, 3)), 2 * keras.ops.ones((1, 3))
    assert keras.ops.convert_to_numpy(model([fives, twos])).tolist() == [[result] * 3]


def test_a_built_layer_is_called_in_the_form_it_was_built_with() -> None:
    layer = AsMapping()
    ones = keras.ops.ones((1, 3))
    layer({"left": ones, "right": ones})
    assert tuple(apply_by_name(layer, "AsMapping", tensors()).shape) == (None, 3)


def test_the_error_of_the_first_form_is_raised_and_no_call_is_left() -> None:
    layer = Never()
    with pytest.raises(RuntimeError, match="refused in every form"):
        apply_by_name(layer, "Never", tensors())
    assert layer._inbound_nodes == []
    assert not layer.built
