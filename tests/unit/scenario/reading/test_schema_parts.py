"""The parts of the JSON Schema that are not derived from types."""

from __future__ import annotations

from layerlens.scenario.keras_catalog import layer_names
from layerlens.scenario.reading.schema_parts import completed, definitions
from layerlens.vocabulary import VERDICTS


def test_anchors_become_references_and_titles_go() -> None:
    schema = {"title": "Units", "items": [{"$anchor": "Layer"}], "properties": {"title": {}}}
    assert completed(schema) == {
        "items": [{"$ref": "#/$defs/Layer"}],
        "properties": {"title": {}},
    }


def test_a_placeholder_may_replace_a_number_and_has_none_of_its_bounds() -> None:
    number = {"type": "integer", "minimum": 1, "description": "How many."}
    assert completed(number) == {
        "description": "How many.",
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^\$\{\w+\}$"},
        ],
    }


def test_a_placeholder_may_replace_a_boolean() -> None:
    found = completed({"type": "boolean", "default": False})
    assert found["default"] is False
    assert found["anyOf"][0] == {"type": "boolean"}
    assert found["anyOf"][1]["type"] == "string"


def test_the_definitions_have_every_layer_and_verdict() -> None:
    found = definitions()
    assert found["Verdict"]["enum"] == list(VERDICTS)
    assert found["Layer"]["anyOf"][0]["enum"] == list(layer_names())
