"""Scalars of YAML 1.2, with `1_000` and `${name}`."""

from __future__ import annotations

import math
from typing import Any

import pytest

from layerlens.plain.numbers import NumberOutOfRangeError
from layerlens.scenario.yaml.scalars import (
    hide_placeholders,
    restore_placeholders,
    scalar_text,
    scalar_value,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("True", True),
        ("false", False),
        ("yes", "yes"),
        ("12", 12),
        ("1_000", 1000),
        ("0x1f", 31),
        ("0o17", 15),
        ("017", 17),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
    ],
)
def test_a_plain_scalar_has_the_type_of_its_form(text: str, value: Any) -> None:
    found = scalar_value(text, None, is_plain=True)
    assert (found, type(found)) == (value, type(value))


def test_in_quotes_everything_is_text() -> None:
    assert scalar_value("12", None, is_plain=False) == "12"


def test_a_tag_decides_the_type() -> None:
    assert scalar_value("12", "tag:yaml.org,2002:float", is_plain=True) == 12.0
    assert scalar_value("12", "tag:yaml.org,2002:str", is_plain=True) == "12"
    for tag in ("int", "bool"):
        with pytest.raises(ValueError, match="many"):
            scalar_value("many", f"tag:yaml.org,2002:{tag}", is_plain=True)


def test_a_number_beyond_64_bits_is_refused() -> None:
    with pytest.raises(NumberOutOfRangeError):
        scalar_value("1" * 30, None, is_plain=True)


@pytest.mark.parametrize("text", ["${n}", "[${ a }, x]", "a ${b} c ${d}", "$x {y}", "${a b}"])
def test_placeholders_come_back_and_keep_their_length(text: str) -> None:
    hidden = hide_placeholders(text)
    assert len(hidden) == len(text)
    assert restore_placeholders(hidden) == text
    assert ("${" in hidden) == (text == "${a b}")


def test_values_as_text() -> None:
    assert [scalar_text(value) for value in (None, True, 3, "x")] == ["null", "true", "3", "x"]
