"""The layers of nested models are called one by one, with the same weights and masks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from layerlens.models.build.inlined import inlined


def names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def test_layers_of_nested_models_are_named_by_their_path() -> None:
    deep = keras.Sequential([layers.Dense(2, name="deep")], name="inner")
    base = keras.Sequential([layers.Dense(4, name="first"), deep], name="base")
    given = keras.Input((3,))
    model = keras.Model(given, layers.Dense(1, name="head")(base(given)))
    found = inlined(model)
    assert names(found.model) == ["first", "deep", "head"]
    paths = [found.name_of(layer) for layer in found.model.layers[1:]]
    assert paths == ["base/first", "base/inner/deep", "head"]
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    np.testing.assert_allclose(found.model(x), model(x), rtol=1e-5, atol=1e-6)
    assert {id(w) for w in found.model.weights} == {id(w) for w in model.weights}


def test_several_inputs_and_outputs_keep_their_order() -> None:
    p, q = keras.Input((2,)), keras.Input((2,))
    inner = keras.Model([p, q], [layers.Subtract()([p, q]), layers.Add()([p, q])], name="both")
    a, b = keras.Input((2,)), keras.Input((2,))
    minus, plus = inner([b, a])
    found = inlined(keras.Model([a, b], [plus, minus])).model
    plus_of, minus_of = found([np.array([[1.0, 2.0]]), np.array([[5.0, 7.0]])])
    np.testing.assert_allclose(plus_of, [[6, 9]])
    np.testing.assert_allclose(minus_of, [[4, 5]])


@pytest.mark.filterwarnings("ignore:.*destroy the mask information")
def test_a_mask_passes_through() -> None:
    tokens = keras.Input((4,), dtype="int32")
    embedded = layers.Embedding(5, 3, mask_zero=True)(tokens)
    inner = keras.Sequential([layers.LSTM(2)], name="inner")
    model = keras.Model(tokens, inner(embedded))
    ids = np.array([[3, 1, 0, 0], [2, 0, 4, 0]])
    found = inlined(model).model
    assert isinstance(found.layers[-1], layers.LSTM)
    np.testing.assert_allclose(found(ids), model(ids), rtol=1e-5, atol=1e-6)


def test_equal_names_in_two_models_leave_them_nested() -> None:
    def block(name: str) -> keras.Model:
        return keras.Sequential([layers.Dense(2, name="dense")], name=name)

    given = keras.Input((3,))
    model = keras.Model(given, block("two")(block("one")(given)))
    assert inlined(model).model is model


def test_a_model_without_nested_models_stays_as_it_is() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert inlined(model).model is model
