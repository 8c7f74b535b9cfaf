"""The faults of an input."""

# ruff: noqa: E501 - the tables pair each input with its message, one per line
from __future__ import annotations

from typing import Any

import pytest

INPUT = "input: {shape: [64, 15]}\n"


MODELS = "models: {a: [Flatten], b: [Flatten]}\n"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("input: [64, 15]", "`input` takes a mapping; received a list of 2 | write `input: {shape: [64, 15]}`"),
        ("input: {shape: 64}", "`shape` takes a list; received the number 64 | write `shape: [64]`"),
        ("input: {shape: [-1]}", "item 1 of `shape` has to be at least 0; received -1 | `null` is a variable length"),
        ("input: {}", "an input needs `shape`"),
        ("input: {shape: [3], dtype: int}", "`dtype` does not take the text \"int\" | did you mean `int32`?"),
        ("input: {shape: [3], low: 5}", "`low` is for integers; this input is float32"),
        ("input: {shape: [3], dtype: int32, low: 5, high: 5}", "`low` has to be less than `high`; received 5 and 5"),
        ("input: {values: [[1, 2], [3]]}", "1:26: ragged values: item 2 has the shape [1], the items before it [2]"),
        ("input: {values: [[1, 2], [3, x]]}", '1:30: a number is expected here; received the text "x"'),
        ("input: {values: [[1, 2]], shape: [3]}", "`values` have the per-sample shape [2]; `shape` says [3]"),
        ("input: {values: [1.5], dtype: int32}", "an integer is expected for int32; received the number 1.5"),
        ("input: {values: [300], dtype: uint8}", "uint8 holds 0 to 255; received the number 300"),
        ("inputs: {x: {values: [1]}, y: {values: [1, 2]}}", "the inputs' values differ in batch size: `x` 1, `y` 2"),
        ("inputs: {x: {shape: [3]}, y: {shape: [3]}}", "a list of layers takes one input; `a` gets 2: x, y"),
        ("question: none", "the model `a` has no input"),
        (INPUT + "inputs: {x: {shape: [3]}}", "both `input` and `inputs` are given"),
    ],
)  # fmt: skip
def test_an_input_at_fault(told: Any, line: str, fault: str) -> None:
    assert any(fault in found for found in told(line + "\n" + MODELS))
