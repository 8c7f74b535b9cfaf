"""A copy has the weights, the classes and the functions of the original."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.models.external.clone import (
    copy_layer,
    copy_model,
    has_replaced_methods,
    has_state,
    same_outputs,
)
from layerlens.models.external.deserialize import draft_model, restore_model
from layerlens.scenario.spec import InputSpec

pytestmark = pytest.mark.usefixtures("backend")

X = np.ones((2, 3), "float32")
INPUTS = (InputSpec("x", (3,)),)
SHIFT = 2.5


class Shift(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return inputs + SHIFT


def shifted(inputs: Any) -> Any:
    return inputs + SHIFT


def chain(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((3,)), *layers])


def test_a_layer_has_state_once_it_is_built_or_where_it_adapts() -> None:
    dense = keras.layers.Dense(2)
    assert not has_state(dense)
    dense.build((None, 3))
    assert has_state(dense)
    assert has_state(keras.layers.Normalization())
    assert has_state(keras.Sequential([keras.layers.Normalization()]))


def test_a_copied_layer_has_its_arguments_and_weights_of_its_own() -> None:
    layer = keras.layers.Dense(2, activation=shifted, name="dense")
    source = copy_layer(layer)
    assert (source.trusted, source.has_weights) == (True, False)
    copy = draft_model(source, source.config)
    assert copy is not layer
    assert (copy.name, copy.units, copy.activation) == ("dense", 2, shifted)
    assert not layer.built


def test_a_copied_model_has_equal_weights_and_shares_none(tmp_path: Path) -> None:
    model = chain(keras.layers.Dense(2), Shift())
    source = copy_model(model, tmp_path)
    copy = restore_model(source, source.config)
    np.testing.assert_array_equal(copy(X), model(X))
    copy.layers[0].kernel.assign(np.zeros((3, 2)))
    assert np.asarray(model.layers[0].kernel).any()


def test_the_function_of_a_lambda_is_the_object_itself(tmp_path: Path) -> None:
    model = chain(keras.layers.Lambda(lambda x: x * math.pi, name="times"))
    source = copy_model(model, tmp_path)
    assert source.custom_objects["function of times"] is model.layers[0].function
    np.testing.assert_array_equal(restore_model(source, source.config)(X), model(X))


def test_outputs_are_compared_beyond_rounding() -> None:
    model = chain(keras.layers.Rescaling(3.0))
    assert same_outputs(model, chain(keras.layers.Rescaling(3.0 + 1e-6)), INPUTS)
    other = chain(keras.layers.Rescaling(3.0 + 1e-4))
    assert not same_outputs(model, other, INPUTS)
    assert same_outputs(model, other, INPUTS, in_float64=True)
    assert not same_outputs(model, chain(keras.layers.Rescaling(3.1)), INPUTS)
    assert not same_outputs(model, chain(keras.layers.Dense(5)), INPUTS)


def test_half_precision_and_quantization_round_more() -> None:
    half, exact = chain(keras.layers.Dense(8, dtype="float16")), chain(keras.layers.Dense(8))
    exact.set_weights(half.get_weights())
    assert same_outputs(half, exact, INPUTS)
    exact.set_weights([1.3 * weight for weight in half.get_weights()])
    assert not same_outputs(half, exact, INPUTS)


def test_methods_of_an_object_may_be_replaced() -> None:
    model = chain(keras.layers.Dense(2), keras.Sequential([Shift()]))
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)
    assert not has_replaced_methods(model)
    shift = model.layers[1].layers[0]
    shift.call = lambda inputs: inputs - SHIFT
    assert has_replaced_methods(model)


def test_models_that_cannot_be_called_without_harm_count_as_equal() -> None:
    stateful = keras.Sequential(
        [
            keras.Input((4, 3), batch_size=2),
            keras.layers.LSTM(2, stateful=True, return_sequences=True),
        ]
    )
    other = chain(keras.layers.Rescaling(2.0))
    assert same_outputs(stateful, other, (InputSpec("x", (4, 3)),))
    assert same_outputs(chain(keras.layers.Identity()), other, (InputSpec("x", (3,), "string"),))


class Fails(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        if hasattr(inputs, "numpy"):  # not while it is built
            raise TypeError("a float64 tensor is not allowed here")
        return 2 * inputs


def test_only_a_copy_that_fails_is_not_alike() -> None:
    works, fails = chain(keras.layers.Rescaling(1.0)), chain(Fails())
    assert not same_outputs(works, fails, INPUTS)
    assert same_outputs(fails, works, INPUTS)


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_other_dtypes_are_drawn_too(dtype: str) -> None:
    def cast_and_scaled(factor: float) -> Any:
        given = keras.Input((3,), dtype=dtype)
        return keras.Model(given, keras.ops.cast(given, "float32") * factor)

    inputs = (InputSpec("x", (3,), dtype, 1, 9),)
    assert same_outputs(cast_and_scaled(2.0), cast_and_scaled(2.0), inputs)
    assert not same_outputs(cast_and_scaled(2.0), cast_and_scaled(3.0), inputs)
