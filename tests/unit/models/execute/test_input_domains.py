"""Domains of inputs follow from the layers: ranges, words, constants, counts."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import (
    config_constants,
    fixed_domains,
    foreign_layer_numbers,
    has_foreign_layers,
    has_variable_axis,
    input_mismatch,
    mask_values,
    possible_counts,
    written_numbers,
)
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec
from tests.unit.models.execute.runners import runner
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")


def built(*layers: LayerSpec, given: InputSpec | None = None) -> Built:
    return runner(chain("m", *layers), given or input_of(4)).built


class Window(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.window = 17

    def call(self, inputs: Any) -> Any:
        return inputs if inputs.shape[0] == 23 else inputs * 1.5


def test_an_axis_is_variable_or_has_a_length() -> None:
    model = built(layer("ReLU"), given=input_of(None, 3))
    assert has_variable_axis(model)
    assert fixed_domains([model], 7)[0].shape == (7, 3)
    assert fixed_domains([model], 7, {1: 5})[0].shape == (5, 3)
    assert not has_variable_axis(built(layer("ReLU")))


def test_integers_that_are_looked_up_stay_in_the_range_of_the_layer() -> None:
    tokens = input_of(5, dtype="int32")
    embedding = layer("Embedding", input_dim=9, output_dim=2)
    (domain,) = fixed_domains([built(embedding, given=tokens)], 7)
    assert (domain.low, domain.high) == (0, 9)
    (floating,) = fixed_domains([built(embedding, given=input_of(5))], 7)
    assert floating.high == 9
    (free,) = fixed_domains([built(layer("ReLU"), given=tokens)], 7)
    assert free.low < 0 < free.high


def test_words_come_from_the_vocabulary_and_beyond() -> None:
    lookup = layer("StringLookup", vocabulary=["red", "blue"])
    (domain,) = fixed_domains([built(lookup, given=input_of(2, dtype="string"))], 7)
    assert {"red", "blue", "RED", "", "unknown word"} <= set(domain.words)


def test_constants_of_configurations_are_inputs_worth_trying() -> None:
    model = built(layer("ReLU", threshold=0.7), layer("Rescaling", scale=2.0, offset=-6.0))
    found = config_constants([model])
    assert {0.7, 2.0, -6.0} <= set(found)
    assert -3.0 in found  # the offset divided by the scale
    assert {0.7, 2.0, -6.0} <= written_numbers(model)


def test_mask_values_other_than_zero_are_found() -> None:
    steps = input_of(4, 3)
    models = [built(layer("Masking", mask_value=value), given=steps) for value in (0.0, -1.0)]
    assert mask_values(models) == (-1.0,)


def test_integers_of_layers_that_keras_does_not_define_are_counts() -> None:
    assert set(foreign_layer_numbers(Window())) == {17, 23}
    assert list(foreign_layer_numbers(keras.layers.Dense(50))) == []
    model = keras.Sequential([keras.Input((4,)), Window()])
    own = runner(ModelSpec("m", "object", given=model), input_of(4)).built
    assert {17, 18, 23, 24} <= set(possible_counts([own]))
    assert has_foreign_layers(own)
    assert not has_foreign_layers(built(layer("ReLU")))


LIMIT = 0.0625


def _limited(inputs: Any) -> Any:
    return keras.ops.where(keras.ops.equal(inputs, LIMIT), 7.25, inputs)


class Limited(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return self._shifted(_limited(inputs))

    def _shifted(self, inputs: Any) -> Any:
        return keras.ops.where(inputs > 1e36, 0.375, inputs)

    def unused(self) -> float:
        return 0.7177


def test_numbers_in_what_a_call_calls_are_inputs_worth_trying() -> None:
    model = keras.Sequential([keras.Input((4,)), Limited()])
    own = runner(ModelSpec("m", "object", given=model), input_of(4)).built
    found = set(config_constants([own]))
    assert {LIMIT, 7.25, 1e36, 0.375} <= found
    assert 0.7177 not in found


def test_inputs_of_two_models_have_to_fit_each_other() -> None:
    def of(*shape: int | None) -> Built:
        return built(layer("ReLU"), given=input_of(*shape))

    assert input_mismatch(of(4), of(4)) is None
    assert input_mismatch(of(None, 3), of(5, 3)) is None
    assert input_mismatch(of(2, 3), of(6)) is None
    assert input_mismatch(of(4), of(5)) == "an input of [4] against one of [5]"
    assert input_mismatch(of(None, 3), of(6)) == "an input of [null, 3] against one of [6]"
