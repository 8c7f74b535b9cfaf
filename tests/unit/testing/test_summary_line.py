"""The line about a failure in pytest's short summary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from layerlens.report.pairs import PairReport
from layerlens.report.run import ExpectationRow, ScenarioReport
from layerlens.testing.summary_line import fitting, room_for, summaries, summaries_with_model

CAUSE = "`epsilon: 0.001 → 1e-05` in `layer_normalization`"
PAIR = PairReport("old", "new", "inference", "different", None, "", causes=(CAUSE,))
ROW = ExpectationRow("old==new[inference]", "equivalent", "different", held=False)
SCENARIO = ScenarioReport("a.yaml", None, None, "fail", 0.0, pairs=(PAIR,), expectations=(ROW,))


def test_a_cause_is_named_with_its_layer() -> None:
    first, *_, last = summaries(SCENARIO, ROW)
    cause = "epsilon: 0.001 → 1e-05 in layer_normalization"
    assert first == f"expected equivalent, received different: {cause}"
    assert last == "layer_normalization epsilon 0.001 → 1e-05"


@pytest.mark.parametrize("path", ["a.yaml", "tests/models/layernorm.yaml"])
def test_the_line_has_at_most_eighty_columns(path: str) -> None:
    node_id = f"{path}::old==new[inference]"
    text = fitting(summaries(SCENARIO, ROW), room_for(node_id, 80))
    assert "epsilon" in text
    assert "layer_normalization" in text
    if path == "a.yaml":
        assert len(f"FAILED {node_id} - {text}") <= 80


def test_texts_get_shorter() -> None:
    texts = summaries(SCENARIO, ROW)
    assert [len(text) for text in texts] == sorted(map(len, texts), reverse=True)
    assert fitting(texts, 0) == texts[-1]


def test_the_name_of_a_layer_is_shortened_before_its_change() -> None:
    texts = summaries(SCENARIO, ROW)
    assert fitting(texts, 35) == "layer_normal… epsilon 0.001 → 1e-05"
    assert fitting(texts, 20) == texts[-1], "nothing useful would be left of the name"


def test_without_a_cause_the_verdicts_are_said() -> None:
    scenario = replace(SCENARIO, pairs=(replace(PAIR, causes=()),))
    assert summaries(scenario, ROW) == ("expected equivalent, received different",)


def test_the_test_of_another_name_has_the_model_in_front() -> None:
    first, *_ = summaries_with_model(SCENARIO, ROW)
    assert first.startswith("new: expected equivalent, received different: epsilon")


@pytest.mark.parametrize(
    ("expected", "actual", "short"),
    [
        (20, 23, "model.params: 23, not 20"),
        ([None, 5], [None, 4], "model.params: (None, 4), not (None, 5)"),
    ],
)
def test_a_figure_is_said_with_its_model(expected: Any, actual: Any, short: str) -> None:
    row = ExpectationRow("model.params", expected, actual, held=False)
    first, last = summaries_with_model(replace(SCENARIO, expectations=(row,)), row)
    assert first.startswith("model.params: expected ")
    assert last == short


def test_a_refused_model_is_said_with_its_layer() -> None:
    from tests.unit.tables.stored_reports import report_of

    (scenario,) = report_of("build_error").scenarios
    pair = next(pair for pair in scenario.pairs if pair.verdict == "build_error")
    subject = f"{pair.reference}=={pair.candidate}[{pair.mode}]"
    row = ExpectationRow(subject, "equivalent", "build_error", held=False)
    *_, last = summaries(scenario, row)
    assert last.startswith(f"Keras refuses {pair.candidate} at ")
