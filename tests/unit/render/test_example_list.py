"""The list of examples."""

from __future__ import annotations

from layerlens.render.example_list import render_examples
from layerlens.scenario.gallery import Example

ONES = [Example("dense_vs_td", "Does Dense mix time steps, and what else does it do then?")]


def test_the_questions_stand_beside_the_names() -> None:
    first, second = render_examples(ONES, 60).splitlines()
    assert first == "dense_vs_td                 Does Dense mix time steps, and"
    assert second == " " * 28 + "what else does it do then?"


def test_on_a_narrow_terminal_they_stand_below_them() -> None:
    name, *question = render_examples(ONES, 40).splitlines()
    assert name == "dense_vs_td"
    assert all(line.startswith("    ") and len(line) <= 40 for line in question)
    long = [Example("a" * 40, "Why?")]
    assert render_examples(long, 80).splitlines() == ["a" * 40, " " * 28 + "Why?"]
