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


def enums(value: Any) -> Iterator[list[str]]:
    if isinstance(value, dict):
        if "enum" in value:
            yield value["enum"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from enums(item)


def test_the_schema_is_json_and_its_references_lead_somewhere(schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    found = set(references(schema))
    assert {"#/$defs/Layer", "#/$defs/Verdict"} <= found
    assert found <= {f"#/$defs/{name}" for name in schema["$defs"]}
    assert "$anchor" not in json.dumps(schema)


def test_names_are_listed(schema: dict[str, Any]) -> None:
    assert schema["$defs"]["Verdict"]["enum"] == list(VERDICTS)
    assert list(TRANSFER_METHODS) in list(enums(schema["properties"]["transfer"]))
    assert list(enums(schema["properties"]["modes"])) == [list(MODES)]
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


MATRIX = """
title: "${n} of them"
matrix: {n: [2]}
input: {shape: "${shape}", dtype: "float${n}"}
models:
  a: [{Dense: "${n}"}, "${layer}", {Sequential: {layers: [{Dense: 2}], trainable: "${n}"}}]
  b: {graph: "${graph}", outputs: [d], select: "${n}", dtype: "mixed_float${n}"}
  c: {graph: {d: {Dense: 2, from: "${ n }"}}, outputs: d}
  d: "${model}"
modes: ["${n}"]
transfer: "${n}"
when: {range: ["${n}", null], unpadded: "${n}"}
expect:
  verdicts: {b: "${n}", c: {inference: "${n}"}, d: {verdict: "${n}"}}
  models: {a: {params: "${n}", output_shape: [null, "${n}"]}}
"""


def test_a_value_of_the_matrix_may_stand_for_any_value(schema: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from layerlens.scenario.yaml.parse import parse_yaml
    from layerlens.scenario.yaml.positions import plain

    validator = jsonschema.Draft202012Validator(schema)
    data = plain(parse_yaml(MATRIX, "x").value)
    validator.validate(data)
    for change in ({"modes": "inference"}, {"transfer": "$n"}, {"input": {"shape": "3"}}):
        assert not validator.is_valid(data | change), change
