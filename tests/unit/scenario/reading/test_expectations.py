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


def test_a_verdict_with_a_strength_is_read(read: Any) -> None:
    modes = "modes: [inference, training]\n"
    text = "expect: {verdicts: {b: {verdict: equivalent, strength: certified}}}\n"
    expect = read(HEAD + modes + text).expect
    assert expect.verdicts == {"b": dict.fromkeys(("inference", "training"), "equivalent")}
    assert expect.strengths == {"b": dict.fromkeys(("inference", "training"), "certified")}
    inference = "{verdict: equivalent, strength: tested}"
    text = f"expect: {{verdicts: {{b: {{inference: {inference}, training: different}}}}}}\n"
    expect = read(HEAD + modes + text).expect
    assert expect.verdicts == {"b": {"inference": "equivalent", "training": "different"}}
    assert expect.strengths == {"b": {"inference": "tested"}}
    assert read(HEAD + "expect: {verdicts: {b: {verdict: different}}}\n").expect.strengths == {}


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
        (
            "expect: {verdicts: {b: {verdict: equivalent, strength: certain}}}",
            "a strength is expected here; received",
        ),
        (
            "expect: {verdicts: {b: {verdict: equivalent, strength: certifed}}}",
            "did you mean `certified`?",
        ),
        (
            "expect: {verdicts: {b: {verdict: different, strength: tested}}}",
            "`strength` belongs to `equivalent`; the verdict here is `different`",
        ),
        (
            "expect: {verdicts: {b: {inference: {verdict: different, strength: tested}}}}",
            "`strength` belongs to `equivalent`; the verdict here is `different`",
        ),
        ("expect: {verdicts: {b: {strength: tested}}}", "`verdict` is missing"),
        (
            "expect: {verdicts: {b: {verdict: equivalent, strenght: tested}}}",
            "unknown key `strenght`",
        ),
        (
            "expect: {verdicts: {b: {verdict: equivalent, training: different}}}",
            "unknown key `training`",
        ),
        ("expect: {verdicts: {b: {verdict: [equivalent]}}}", "a verdict is expected here"),
        ("expect: {verdicts: {b: {verdict: {verdict: different}}}}", "received a mapping"),
        ("expect: {models: {a: {output_shape: [x]}}}", "`output_shape` is a list of integers"),
        ("fit: {loss: mean_squared}", "Keras has no loss `mean_squared`"),
        ("fit: {loss: mse, optimizer: adamm}", "Keras has no optimizer `adamm`"),
    ],
)
def test_an_expectation_at_fault(told: Any, line: str, fault: str) -> None:
    assert any(fault in text for text in told(f"{HEAD}{line}\n"))
