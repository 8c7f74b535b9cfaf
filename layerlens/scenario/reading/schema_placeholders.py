"""Complete a JSON Schema: `${name}` may stand for any value, and anchors become references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: A text that contains a value of the matrix, and one that consists of it.
WITHIN = r"\$\{\s*\w+\s*\}"
PLACEHOLDER = {"type": "string", "pattern": rf"^\s*{WITHIN}\s*$"}
_CONTAINS_PLACEHOLDER = {"type": "string", "pattern": WITHIN}
#: Keywords that describe a value whatever its form.
_OF_ANY_FORM = ("description", "default")


def completed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a mapping; `${name}` may stand for each of its values.

    The matrix itself has no placeholders.
    """
    found = _without_titles(schema)
    found["properties"] = {
        key: _inside(item) if key == "matrix" else _value(item)
        for key, item in found["properties"].items()
    }
    found["$defs"] = {key: _inside(item) for key, item in found.get("$defs", {}).items()}
    return found


def _value(schema: Any) -> Any:
    """Return the schema of a value, or of `${name}` in its place."""
    schema = _inside(schema)
    if schema.get("$ref") == "#/$defs/Layer":
        return schema  # which allows it
    if "enum" in schema:
        other = _CONTAINS_PLACEHOLDER
    elif "$ref" in schema or schema.get("type") not in (None, "string", "null"):
        other = PLACEHOLDER
    else:
        return schema
    whatever = {key: schema.pop(key) for key in _OF_ANY_FORM if key in schema}
    return {**whatever, "anyOf": [schema, other]}


def _inside(schema: Any) -> Any:
    """Return a schema with placeholders allowed for the values inside its value."""
    if "$anchor" in schema:
        return {"$ref": f"#/$defs/{schema['$anchor']}"}
    found = _without_titles(schema)
    for key in ("properties", "patternProperties"):
        if key in found:
            found[key] = {name: _value(item) for name, item in found[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), Mapping):
            found[key] = _value(found[key])
    if "anyOf" in found:
        found["anyOf"] = [_value(item) for item in found["anyOf"]]
    return found


def _without_titles(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Pydantic gives each key its own name as a title, which is no help in an editor."""
    return {key: item for key, item in schema.items() if key != "title"}
