"""The faults of a model."""

# ruff: noqa: E501 - the tables pair each input with its message, one per line
from __future__ import annotations

from typing import Any

import pytest

INPUT = "input: {shape: [64, 15]}\n"


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("", "the model `a` is a list of layers or a mapping; received nothing (null)"),
        ("[]", "`layers` is empty"),
        ("{}", "a model needs one of `layers`, `graph`, `file` and `python`"),
        ("{layer: [Flatten]}", "unknown key `layer` | did you mean `layers`?"),
        ("{layers: [Flatten], python: 'm:f'}", "a model has one of these keys; received `layers` and `python`"),
        ("{layers: [Flatten], outputs: [x]}", "`outputs` belongs to `graph`"),
        ("{layers: [Flatten], select: '[:, x]'}", '`select`: "x" in "[:, x]" is not an integer'),
        ("{layers: [Flatten], dtype: float33}", "`dtype` does not take the text \"float33\" | did you mean `float32`?"),
        ("{layers: [Flatten], weights: {x: [[1, 2], [3]]}}", "ragged values"),
        ("{python: nope}", '`python` takes "module:callable"; received the text "nope"'),
        ("{file: model.txt}", '"model.txt" is not the name of a saved model'),
        ("{graph: {h: {ReLU: , from: input}}}", "`outputs` is missing | add `outputs: [node]`"),
    ],
)  # fmt: skip
def test_a_model_at_fault(told: Any, model: str, fault: str) -> None:
    (found,) = told(f"{INPUT}models:\n  a: {model}\n  b: [Flatten]\n")
    assert fault in found
