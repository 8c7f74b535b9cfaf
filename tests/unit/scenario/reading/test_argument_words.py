"""The words that arguments take, against the documentation of Keras and Keras itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from layerlens.scenario.keras_catalog import layer_names, signature
from layerlens.scenario.reading.argument_words import words_of

INPUT = "input: {shape: [4, 4]}\n"
#: Quoted in the documentation of these arguments, but no value of them.
_OTHER_WORDS = frozenset({"", "pad_to_max_tokens"})


def documented_words(text: str) -> set[str]:
    """Return the quoted words of a documentation that may be values."""
    return set(re.findall(r'`"(\w+)["`]', text)) | set(re.findall(r'[{\[ ,]"(\w+)"', text))


def test_every_word_that_keras_documents_is_taken() -> None:
    found = 0
    for name in layer_names():
        for argument in signature(name).arguments:
            words = words_of(argument)
            if words is None:
                continue
            for word in documented_words(argument.documentation) - _OTHER_WORDS:
                found += 1
                assert words.take(word), f"{name}.{argument.name}: {word}"
    assert found > 200


def test_arguments_of_the_same_name_with_other_values_have_no_words() -> None:
    for name in ("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"):
        argument = signature(name).argument("padding")
        assert argument is not None
        assert words_of(argument) is None


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        (
            "Conv1D: {filters: 2, kernel_size: 2, padding: sam}",
            "3:53: `padding` of `Conv1D` cannot be `sam` | did you mean `same`?",
        ),
        (
            "Conv1D: {filters: 2, kernel_size: 2, padding: full}",
            "`padding` of `Conv1D` cannot be `full` | allowed: valid, same, causal",
        ),
        (
            "Conv1D: {filters: 2, kernel_size: 2, padding: 1}",
            "`padding` of `Conv1D` takes one of valid, same, causal; received the number 1 | "
            "to pad by a number of steps, put `ZeroPadding1D: 1` before the layer",
        ),
        (
            "Conv1D: {filters: 2, kernel_size: 2, data_format: NCHW}",
            "`data_format` of `Conv1D` cannot be `NCHW` | did you mean `channels_first`?",
        ),
        (
            "Bidirectional: {layer: {GRU: 2}, merge_mode: add}",
            "`merge_mode` of `Bidirectional` cannot be `add` | did you mean `sum`?",
        ),
        (
            "UpSampling2D: {size: 2, interpolation: linear}",
            "`interpolation` of `UpSampling2D` cannot be `linear` | did you mean `bilinear`?",
        ),
        (
            "Dense: {units: 2, kernel_initializer: {VarianceScaling: {mode: fanin}}}",
            "`mode` of `VarianceScaling` cannot be `fanin` | did you mean `fan_in`?",
        ),
    ],
)
def test_a_word_that_no_layer_takes_is_a_fault(told: Any, layer: str, fault: str) -> None:
    (found,) = told(f"{INPUT}models:\n  a: [{layer}]\n  b: [Flatten]\n")
    assert fault in found


@pytest.mark.parametrize(
    "layer",
    [
        "Conv1D: {filters: 2, kernel_size: 2, padding: SAME}",
        "Conv2D: {filters: 2, kernel_size: 2, padding: causal}",  # Keras refuses it itself
        "MaxPooling1D: {padding: Valid, data_format: Channels_Last}",
        "Bidirectional: {layer: {GRU: 2}, merge_mode: null}",
        "ZeroPadding1D: 1",
        "Dense: {units: 2, kernel_initializer: {VarianceScaling: {distribution: normal}}}",
    ],
)
def test_a_word_that_a_layer_may_take_is_no_fault(read: Any, layer: str) -> None:
    read(f"{INPUT}models:\n  a: [{layer}]\n  b: [Flatten]\n")
