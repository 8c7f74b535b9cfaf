"""What all checks share: inputs, layers without faults, and layers left unchanged."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.errors import UsageError
from layerlens.scenario.spec import InputSpec
from layerlens.testing.layer_checks import (
    check_announced_shape,
    check_config,
    check_dtype,
    check_saving,
)
from tests.unit.testing.layer_checks.faulty_layers import FLAT, STEPS, Scale

pytestmark = pytest.mark.usefixtures("backend")


def test_a_correct_layer_has_no_faults() -> None:
    layer = Scale(0.25)
    assert check_config(layer).faults == ()
    assert check_saving(layer, STEPS).faults == ()
    assert check_announced_shape(layer, STEPS).faults == ()
    for dtype in ("float32", "float16", "bfloat16", "mixed_bfloat16", "float64"):
        assert check_dtype(layer, dtype, STEPS).faults == (), dtype


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True)),
        lambda: keras.layers.LayerNormalization(),
        lambda: keras.layers.Conv1D(3, 5, padding="causal", activation="gelu"),
        lambda: keras.layers.Normalization(),  # derives values from its weights
        lambda: keras.layers.GaussianNoise(0.5),  # random in training
    ],
)
def test_layers_of_keras_have_no_faults(layer: Any) -> None:
    instance = layer()
    assert check_saving(instance, STEPS).faults == ()
    assert check_announced_shape(instance, STEPS).faults == ()
    for dtype in ("float16", "mixed_bfloat16", "float32"):
        assert check_dtype(instance, dtype, STEPS).faults == (), dtype


def test_several_inputs_are_passed_in_the_form_a_layer_takes() -> None:
    two = (InputSpec("query", (5, 4)), InputSpec("value", (7, 4)))
    attention = keras.layers.MultiHeadAttention(2, 3)
    assert check_announced_shape(attention, two).faults == ()
    assert check_dtype(attention, "float16", two).faults == ()
    assert check_saving(attention, two).faults == ()
    grouped = keras.layers.GroupQueryAttention(2, 4, 2)
    assert check_announced_shape(grouped, two).faults == ()
    same = (InputSpec("a", (4,)), InputSpec("b", (4,)))
    assert check_announced_shape(keras.layers.Concatenate(), same).faults == ()
    words = (InputSpec("input", (None,), "int32", 0, 9),)
    assert check_dtype(keras.layers.Embedding(9, 3), "float16", words).faults == ()


def test_the_layer_is_left_unchanged() -> None:
    fresh = Scale()
    built = Scale()
    built(np.ones((2, 4), "float32"))
    for layer in (fresh, built):
        check_saving(layer, FLAT)
        check_dtype(layer, "float16", FLAT)
        check_announced_shape(layer, FLAT)
    assert not fresh.built
    np.testing.assert_array_equal(built.factor.numpy(), np.ones(4))
    assert built.compute_dtype == "float32"


def test_an_object_that_is_not_a_layer_is_refused() -> None:
    with pytest.raises(UsageError, match="a Keras layer or model is needed; received a int"):
        check_config(3)
    with pytest.raises(UsageError, match="is a Scale, which has no input"):
        check_announced_shape(Scale(), ())
