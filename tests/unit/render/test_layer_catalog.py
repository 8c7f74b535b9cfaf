"""The catalog of layers in a terminal."""

from __future__ import annotations

import pytest

from layerlens.errors import UsageError
from layerlens.render.layer_catalog import render_layer, render_layer_names
from layerlens.scenario.keras_catalog import layer_names


def test_every_layer_is_listed_within_the_width() -> None:
    text = render_layer_names(60)
    assert set(layer_names()) <= set(text.split())
    assert "rnn:" in text.splitlines()
    assert max(map(len, text.splitlines())) <= 60


def test_a_layer_has_its_arguments_with_their_defaults() -> None:
    text = render_layer("GRU", 80)
    assert text.startswith("GRU(units, activation='tanh', ")
    assert "units  (required)" in text.splitlines()
    assert "return_sequences  (default False)" in text.splitlines()
    assert text.splitlines()[-1].startswith("keras.layers.GRU, Keras ")


def test_an_unknown_layer_has_a_suggestion() -> None:
    with pytest.raises(UsageError, match="there is no layer 'GRUU'") as raised:
        render_layer("GRUU", 80)
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("did you mean GRU")


def test_the_objects_that_are_arguments_are_listed_and_explained() -> None:
    listed = render_layer_names(80)
    assert "initializers, as arguments of layers:" in listed
    assert "MaxNorm" in listed.split()
    text = render_layer("RandomNormal", 80)
    assert text.startswith("RandomNormal(mean=0.0, stddev=0.05, seed=None)")
    assert text.splitlines()[-1].startswith("keras.initializers.RandomNormal, Keras ")


def test_a_layer_comes_before_an_object_of_its_name() -> None:
    assert "keras.layers.Identity, " in render_layer("Identity", 80)
