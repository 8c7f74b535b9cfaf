"""The text of Keras' exceptions without noise, and words for hints."""

from __future__ import annotations

import pytest

from layerlens.models.keras_errors.text import (
    clean_reason,
    counted,
    declared_shape,
    failing_type,
    listed,
    nearest,
    reshape_yaml,
)


def test_a_reason_has_no_noise() -> None:
    noisy = (
        "Exception encountered when calling Attention.call().\n\n"
        "\x1b[1mDimensions must be equal, but are 3 and 4 for '{{node td_1/attention_1/MatMul}} = "
        "BatchMatMulV2[T=DT_FLOAT](q, td_1/attention_1/transpose)' with input shapes: [?,5,3], "
        "[?,4,6].\x1b[0m\n\nArguments received by Attention.call():\n  • inputs=['...']"
    )
    assert clean_reason(ValueError(noisy)) == (
        "Dimensions must be equal, but are 3 and 4 with input shapes: [?,5,3], [?,4,6]."
    )
    assert clean_reason(IndexError()) == "IndexError"


def test_a_key_error_has_its_message_without_quotes() -> None:
    assert clean_reason(KeyError("no such layer")) == "no such layer"


def test_a_dump_is_cut_at_a_word() -> None:
    reason = clean_reason(ValueError("word " * 300))
    assert reason.endswith("word …")
    assert 590 < len(reason) <= 602


def test_the_layer_that_keras_was_calling_is_found() -> None:
    calling = "Exception encountered when calling {}.\n\n\x1b[1mno\x1b[0m"
    assert failing_type(ValueError(calling.format("Attention.call()"))) == "Attention"
    assert failing_type(ValueError(calling.format("LSTMCell()"))) == "LSTMCell"
    assert failing_type(ValueError("no")) is None


@pytest.mark.parametrize(
    ("name", "allowed", "found"),
    [
        ("rleu", ["relu", "elu"], "relu"),
        ("nhwc", ["channels_first", "channels_last"], "channels_last"),
        ("linear", ["relu"], None),
        (7, ["relu"], None),
    ],
)
def test_the_nearest_name_may_be_a_synonym(name: object, allowed: list[str], found: object) -> None:
    assert nearest(name, allowed) == found


def test_words_for_counts_names_and_shapes() -> None:
    assert (counted(1, "axis", "axes"), counted(2, "axis", "axes")) == ("1 axis", "2 axes")
    assert (counted(1, "unit"), counted(0, "unit")) == ("1 unit", "0 units")
    assert listed([]) == ""
    assert listed(["a"]) == "`a`"
    assert listed(["a", "b", "c"], "and") == "`a`, `b` and `c`"
    assert reshape_yaml((None, 3)) == "`Reshape: {target_shape: [-1, 3]}`"
    assert declared_shape((None, 3)) == "`shape: [null, 3]`"
