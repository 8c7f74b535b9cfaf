"""Layers, operations and weights are found at every depth."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from layerlens.models.inspect.call_graph import producing_call
from layerlens.models.inspect.nested_layers import (
    direct_layers,
    flat_layers,
    is_keras_class,
    is_test_of_masking,
    operation_nodes,
    weights_of,
    with_nested,
)

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(scope="module")
def model() -> Any:
    inner = keras.Sequential(
        [keras.Input((3,), name="i"), keras.layers.Dense(2, name="deep")], name="inner"
    )
    given = keras.Input((4, 3), name="given")
    timed = keras.layers.TimeDistributed(inner, name="timed")(given)
    return keras.Model(given, keras.ops.tanh(timed) + 1.0)


def names(layers: Any) -> set[str]:
    return {layer.name for layer in layers}


def test_layers_are_found_at_every_depth(model: Any) -> None:
    assert {"timed", "inner", "deep"} <= names(flat_layers(model))
    assert model not in list(flat_layers(model))
    assert next(iter(with_nested(model))) is model
    assert names(with_nested(model)) == names(flat_layers(model)) | {model.name}


def test_direct_layers_are_those_of_one_level_without_inputs(model: Any) -> None:
    timed = model.get_layer("timed")
    (inner,) = direct_layers(timed)
    assert inner.name == "inner"
    assert names(direct_layers(inner)) == {"deep"}


def test_operations_between_layers_are_nodes(model: Any) -> None:
    kinds = {type(node.operation).__name__ for node in operation_nodes(model)}
    assert kinds == {"Tanh", "Add"}


def test_an_operation_has_no_layers_and_no_weights(model: Any) -> None:
    operation = producing_call(model.outputs[0]).operation
    assert list(with_nested(operation)) == [operation]
    assert weights_of(operation) == ()
    assert len(weights_of(model)) == 2


def test_a_class_of_the_user_is_not_of_keras() -> None:
    class Own(keras.layers.Layer):  # type: ignore[misc]
        pass

    assert is_keras_class(keras.layers.ReLU())
    assert not is_keras_class(Own())


@pytest.mark.parametrize(
    ("masking", "count"),
    [
        (keras.layers.Masking(mask_value=0.5), 2),
        (lambda x: x * keras.ops.cast(keras.ops.not_equal(x, keras.ops.flip(x, 0)), "float32"), 0),
        (lambda x: x * keras.ops.cast(keras.ops.any(x, axis=0), "float32"), 0),
    ],
)
def test_what_layers_compute_for_a_mask_is_told_from_other_operations(
    masking: Any, count: int
) -> None:
    given = keras.Input((4, 3))
    model = keras.Model(given, keras.layers.LSTM(2)(masking(given)))
    tests = [node for node in operation_nodes(model) if is_test_of_masking(node)]
    assert len(tests) == count
