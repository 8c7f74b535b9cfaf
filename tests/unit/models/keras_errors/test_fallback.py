"""The remedy for errors that no rule explains: the inputs that the layer takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerlens.models.keras_errors.fallback import accepted_input, describe_accepted_input
from layerlens.models.keras_errors.refusal import Refusal

LSTM = Refusal("no", ValueError("no"), "lstm", "LSTM", {}, ((None, 5),), ())


@pytest.mark.parametrize(
    ("layer_type", "words"),
    [
        ("LSTM", "a sequence, (steps, features)"),
        ("ConvLSTM2D", "a sequence of images or volumes, steps first"),
        ("MaxPooling1D", "a sequence, (steps, channels)"),
        ("Conv2DTranspose", "an image, (rows, columns, channels)"),
        ("MaxPooling3D", "a volume, (depth, rows, columns, channels)"),
        ("RandomFlip", "an image, (rows, columns, channels)"),
        ("MyLayer", None),
    ],
)
def test_a_class_takes_what_its_family_takes(layer_type: str, words: str | None) -> None:
    assert accepted_input(layer_type) == words


def test_the_hint_has_what_was_received() -> None:
    lists = "(`layerlens layers {}` lists its arguments)"
    assert describe_accepted_input(LSTM) == (
        f"`LSTM` takes a sequence, (steps, features); here it got (None, 5) {lists.format('LSTM')}"
    )
    assert describe_accepted_input(replace(LSTM, type="Add", shapes=((2, 3), (2, 4)))).endswith(
        f"; here it got (2, 3) and (2, 4) {lists.format('Add')}"
    )


def test_an_unknown_layer_without_inputs_is_only_named() -> None:
    assert describe_accepted_input(replace(LSTM, type="", shapes=())) == (
        "check the input of `lstm`"
    )
