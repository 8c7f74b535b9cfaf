"""`${name}` may stand for any value of the JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.reading.schema_placeholders import PLACEHOLDER, completed


def value(schema: dict[str, Any]) -> Any:
    """Return the completed schema of a key."""
    return completed({"title": "Part", "properties": {"title": schema}})["properties"]["title"]


def test_anchors_become_references_and_titles_go() -> None:
    assert completed({"title": "Units", "properties": {"title": {"$anchor": "Layer"}}}) == {
        "properties": {"title": {"$ref": "#/$defs/Layer"}},
        "$defs": {},
    }


def test_a_placeholder_may_replace_a_number_and_has_none_of_its_bounds() -> None:
    number = {"type": "integer", "minimum": 1, "description": "How many.", "default": 3}
    assert value(number) == {
        "description": "How many.",
        "default": 3,
        "anyOf": [{"type": "integer", "minimum": 1}, PLACEHOLDER],
    }


@pytest.mark.parametrize(
    "whole",
    [{"type": "boolean"}, {"type": "array"}, {"type": "object"}, {"$ref": "#/$defs/InputPart"}],
    ids=str,
)
def test_a_placeholder_may_replace_a_value_of_any_type(whole: dict[str, Any]) -> None:
    assert value(whole) == {"anyOf": [whole, PLACEHOLDER]}


def test_a_placeholder_may_be_a_part_of_a_name() -> None:
    found = value({"enum": ["float16", "float32"]})
    assert found["anyOf"][1] == {"type": "string", "pattern": r"\$\{\s*\w+\s*\}"}


def test_a_text_needs_no_other_form() -> None:
    assert value({"type": "string"}) == {"type": "string"}
    assert value({}) == {}


def test_values_inside_values_may_be_placeholders_too() -> None:
    found = value({"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}})
    inner = found["anyOf"][0]["items"]["anyOf"]
    assert inner == [{"anyOf": [{"type": "integer"}, PLACEHOLDER]}, {"type": "null"}]


def test_the_matrix_itself_has_none() -> None:
    matrix = {"type": "object", "additionalProperties": {"type": "array"}}
    found = completed({"properties": {"matrix": matrix}})["properties"]["matrix"]
    assert found["type"] == "object"
