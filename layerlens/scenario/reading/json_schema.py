"""The scenario format as JSON Schema."""

from __future__ import annotations

from typing import Any

from layerlens.scenario.reading import schema_parts
from layerlens.scenario.reading.model_parts import FunctionalPart, SavedPart, SequentialPart
from layerlens.scenario.reading.schema import ScenarioPart
from layerlens.scenario.reading.schema_placeholders import completed


def json_schema() -> dict[str, Any]:
    """Return the scenario format as JSON Schema 2020-12, for editors."""
    schema = ScenarioPart.model_json_schema()
    models = schema["properties"]["models"]
    layers = schema["$defs"]["ModelPart"]["properties"]["layers"]
    models["additionalProperties"] = {"anyOf": [layers, models["additionalProperties"]]}
    schema = completed(schema)
    schema["$defs"] |= schema_parts.definitions() | _model_layers()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "layerlens",
        **schema,
    }


def _model_layers() -> dict[str, Any]:
    """Return the definitions of models in the place of layers, each under its name."""
    found: dict[str, Any] = {}
    for part in (SequentialPart, FunctionalPart, SavedPart):
        schema = completed(part.model_json_schema())
        found |= schema.pop("$defs")
        found[part.__name__] = schema
    return found
