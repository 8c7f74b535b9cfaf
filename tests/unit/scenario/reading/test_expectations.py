"""The faults of `expect:` and `fit:`, and the expectations that are read."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.spec import LayerExpectation, ModelExpectation

HEAD = "input: {shape: [4]}\nmodels: {a: [Flatten], b: [Flatten]}\n"


def test_a_verdict_without_a_mode_is_that_of_every_mode(read: Any) -> None:
    text = "modes: [inference, training]\nexpect: {verdicts: {b: different}}\n"
    assert read(HEAD + text).expect.verdicts == {
        "b": {"inference": "different", "training": "different"}
    }


def test_figures_are_read_with_their_positions(read: Any) -> None:
    text = "expect:\n  models:\n    a: {params: 0, layers: {flatten: {output_shape: [null, 4]}}}\n"
    expect = read(HEAD + text).expect
    layers = {"flatten": LayerExpectation(output_shape=(None, 4))}
    assert expect.models == {"a": ModelExpectation(params=0, layers=layers)}
    assert expect.place(("models", "a", "params")) == (5, 17)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("expect: {verdicts: {a: different}}", "`a` is the reference"),
        ("expect: {verdicts: {c: different}}", "unknown model `c`"),
        ("expect: {verdicts: {b: diferent}}", "did you mean `different`?"),
        ("expect: {verdicts: {b: 3}}", "a verdict is expected here; received the number 3"),
        ("expect: {verdicts: {b: {training: different}}}", "add `modes: [inference, training]`"),
        ("expect: {models: {a: {output_shape: [x]}}}", "`output_shape` is a list of integers"),
        ("fit: {loss: mean_squared}", "Keras has no loss `mean_squared`"),
        ("fit: {loss: mse, optimizer: adamm}", "Keras has no optimizer `adamm`"),
    ],
)
def test_an_expectation_at_fault(told: Any, line: str, fault: str) -> None:
    assert any(fault in text for text in told(f"{HEAD}{line}\n"))
