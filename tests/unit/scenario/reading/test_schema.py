"""The JSON Schema says what the reader takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layerlens.scenario.keras_catalog import layer_names
from layerlens.scenario.reading.json_schema import json_schema
from layerlens.vocabulary import MODES, TRANSFER_METHODS, VERDICTS


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_schema_is_json_and_its_references_lead_somewhere(schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    found = set(references(schema))
    assert {"#/$defs/Layer", "#/$defs/Verdict"} <= found
    assert found <= {f"#/$defs/{name}" for name in schema["$defs"]}
    assert "$anchor" not in json.dumps(schema)


def test_names_are_listed(schema: dict[str, Any]) -> None:
    assert schema["$defs"]["Verdict"]["enum"] == list(VERDICTS)
    assert schema["properties"]["transfer"]["anyOf"][0]["enum"] == list(TRANSFER_METHODS)
    assert schema["properties"]["modes"]["items"]["enum"] == list(MODES)
    assert schema["$defs"]["Layer"]["anyOf"][0]["enum"] == list(layer_names())


def test_scenarios_follow_the_schema(schema: dict[str, Any]) -> None:
    """Checked with a validator where one is installed."""
    jsonschema = pytest.importorskip("jsonschema")
    from layerlens.scenario.starter import starter_scenario
    from layerlens.scenario.yaml.parse import parse_yaml
    from layerlens.scenario.yaml.positions import plain

    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    texts = [path.read_text() for path in Path("scenarios").glob("*.yaml")] + [starter_scenario()]
    for text in texts:
        validator.validate(plain(parse_yaml(text, "x").value))
    for fault in ("titel: x", "modes: [inferense]", "models: {a: [Dnese]}"):
        data = {"models": {"a": ["Flatten"]}} | plain(parse_yaml(fault, "x").value)
        assert not validator.is_valid(data), fault
