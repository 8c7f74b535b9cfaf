"""The parts of the JSON Schema that cannot be derived from the pydantic types."""

from __future__ import annotations

from typing import Any

from layerlens.scenario.keras_catalog import layer_names
from layerlens.scenario.reading.schema_placeholders import PLACEHOLDER, WITHIN
from layerlens.vocabulary import REST_METHODS, STRENGTHS, TRANSFER_METHODS
from layerlens.vocabulary import VERDICTS as VERDICT_NAMES

_LENGTH = {"anyOf": [{"type": "integer"}, {"type": "null"}]}

NUMBERS = {"description": "Nested lists of numbers."}
OUTPUT_SHAPE = {
    "description": "Batch axis (null) first; a list of shapes where there are several outputs.",
    "type": "array",
    "items": {
        "anyOf": [
            _LENGTH,
            {"type": "array", "items": _LENGTH},
        ]
    },
}
#: Replaced by references to `definitions`: pydantic rejects references it did not create.
_VERDICT = {"$anchor": "Verdict"}
LAYER = {"$anchor": "Layer"}
_GRADED_VERDICT = {
    "description": "An equivalent verdict with the least strength that it needs.",
    "type": "object",
    "properties": {
        "verdict": _VERDICT,
        "strength": {"enum": list(reversed(STRENGTHS))},
    },
    "required": ["verdict"],
    "additionalProperties": False,
}
_EXPECTED_VERDICT = {"anyOf": [_VERDICT, _GRADED_VERDICT]}
VERDICTS = {
    "description": "Candidate → verdict, or candidate → {mode: verdict}; for a verdict also "
    "{verdict: equivalent, strength: certified}.",
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            _VERDICT,
            _GRADED_VERDICT,
            {
                "type": "object",
                "properties": {"inference": _EXPECTED_VERDICT, "training": _EXPECTED_VERDICT},
                "additionalProperties": False,
            },
        ]
    },
}
CALL = {
    "description": "Arguments of the layer's call; `node:NAME` and `input:NAME` are tensors.",
    "type": "object",
    "minProperties": 1,
}
_MODEL_LAYERS: dict[str, Any] = {
    "Sequential": {
        "anyOf": [
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Layer"}},
            {"$ref": "#/$defs/SequentialPart"},
        ]
    },
    "Functional": {"$ref": "#/$defs/FunctionalPart"},
    "Model": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/SavedPart"}]},
}
GRAPH = {
    "description": "node → {ClassName: {...}, from: [...]} or {share: node, from: [...]}.",
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {
            "from": {
                "description": "The inputs of the layer: nodes, or inputs of the model, in order.",
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1},
                ],
            },
            "share": {
                "description": "The node whose layer is applied again.",
                "type": "string",
            },
            "call": CALL,
        },
        "required": ["from"],
        "minProperties": 2,
        "maxProperties": 3,
        "if": {"minProperties": 3},
        "then": {"required": ["call"]},
    },
}
NAMES = {
    "description": "Nodes; `node:1` is the second output of a node.",
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ],
}
_PATHS = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 2},
    ],
}
_ORDER = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
TRANSFER = {
    "description": "How the reference's weights are copied to the candidates.",
    "default": "auto",
    "anyOf": [
        {"enum": list(TRANSFER_METHODS)},
        {
            "type": "object",
            "properties": {
                "pairs": {
                    "description": "Weights or layers by path; at most one operation in each.",
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "from": {"description": "Of the reference.", **_PATHS},
                            "to": {"description": "Of the candidate.", **_PATHS},
                            "transpose": {"description": "The order of axes.", **_ORDER},
                            "reshape": {
                                "description": "The new shape.",
                                "type": "array",
                                "items": {"type": "integer", "minimum": 0},
                            },
                            "join": {
                                "description": "The axis along which several become one.",
                                "type": "integer",
                            },
                            "split": {
                                "description": "The axis along which one becomes several.",
                                "type": "integer",
                            },
                            "permute": {
                                "description": "Block k becomes the old block `blocks[k]`.",
                                "type": "object",
                                "properties": {"axis": {"type": "integer"}, "blocks": _ORDER},
                                "required": ["axis", "blocks"],
                                "additionalProperties": False,
                            },
                        },
                        "required": ["from", "to"],
                        "additionalProperties": False,
                    },
                },
                "rest": {
                    "description": "How the other weights are paired.",
                    "enum": list(REST_METHODS),
                    "default": "auto",
                },
            },
            "required": ["pairs"],
            "additionalProperties": False,
        },
    ],
}


def definitions() -> dict[str, Any]:
    """Return the definitions that the anchors refer to."""
    names = list(layer_names())
    return {
        "Verdict": {"enum": list(VERDICT_NAMES)},
        "Layer": {
            "description": "ClassName, ClassName: {arguments} or ClassName: first-argument.",
            "anyOf": [
                {"enum": names},
                PLACEHOLDER,
                {
                    "type": "object",
                    "properties": {**{name: {} for name in names}, **_MODEL_LAYERS, "call": CALL},
                    "patternProperties": {WITHIN: {}},
                    "additionalProperties": False,
                    "minProperties": 1,
                    "maxProperties": 2,
                    "if": {"minProperties": 2},
                    "then": {"required": ["call"]},
                    "not": {"required": ["call"], "maxProperties": 1},
                },
            ],
        },
    }


#: The runtime of a model: a name under `runtimes:`, or a backend of Keras.
RUNTIME: dict[str, Any] = {
    "description": "A name under `runtimes`, or the backend of Keras that runs the model.",
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"backend": {"enum": ["jax", "torch"]}},
            "required": ["backend"],
            "additionalProperties": False,
        },
    ],
}
