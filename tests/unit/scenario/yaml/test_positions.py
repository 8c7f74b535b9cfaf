"""Positions of values, and values in words."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import (
    Loc,
    YamlSequence,
    described,
    legible,
    locate,
    plain,
    shown,
)

TEXT = "a:\n  b: [1, 2]\nc: x\n"


@pytest.mark.parametrize(
    ("loc", "position"),
    [
        ((), (1, 1)),
        (("a",), (2, 3)),
        (("a", "b"), (2, 6)),
        (("a", "b", 1), (2, 10)),
        (("a", "missing"), (2, 3)),
        (("a", "b", 7), (2, 6)),
    ],
)
def test_a_value_is_located_or_the_nearest_around_it(loc: Loc, position: tuple[int, int]) -> None:
    assert locate(parse_yaml(TEXT, "a.yaml").value, loc) == position


def test_a_key_has_a_position_of_its_own() -> None:
    assert locate(parse_yaml(TEXT, "a.yaml").value, ("a", "b"), at_key=True) == (2, 3)


def test_plain_values_have_the_types_of_python() -> None:
    value = plain(parse_yaml(TEXT, "a.yaml").value)
    assert value == {"a": {"b": [1, 2]}, "c": "x"}
    assert type(value) is dict
    assert type(value["a"]["b"]) is list


def test_items_without_a_position_are_yielded_too() -> None:
    sequence = YamlSequence()
    sequence.put("x", None)
    assert list(sequence.with_positions()) == [("x", None)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing (null)"),
        (True, "true"),
        (3, "the number 3"),
        (10**50, "a very large number"),
        ("many", 'the text "many"'),
        ({}, "an empty mapping"),
        (dict.fromkeys("abcde"), "a mapping with a, b, c, d, …"),
        ([], "an empty list"),
        ([1, 2, 3], "a list of 3"),
        ({1}, '"{1}" (set)'),
    ],
)
def test_a_value_in_words(value: Any, text: str) -> None:
    assert described(value) == text


def test_long_and_unprintable_texts() -> None:
    assert shown("a\n  b") == '"a b"'
    assert len(shown("x" * 100)) == 62
    assert legible("a\x1bb\u202e") == "a\\x1bb\\u202e"
    assert legible("x" * 10 + "y" * 10, limit=4) == "xx…yy"
