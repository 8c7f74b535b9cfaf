"""The dependence on steps of two models that differ is measured without a request."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.dependence import contrast
from layerlens.render import RenderOptions, render
from layerlens.report.layers import ModelReport
from layerlens.report.run import ScenarioReport
from layerlens.run.pipeline import compare_scenarios
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")

SEQUENCE = {"LSTM": {"units": 3, "return_sequences": True}}
SAME = {"Conv1D": {"filters": 2, "kernel_size": 3, "padding": "same"}}


def compared(one: Any, other: Any, *shape: int | None) -> ScenarioReport:
    data = {"input": {"shape": list(shape)}, "models": {"one": [one], "other": [other]}}
    report = compare_scenarios(scenario_from_mapping(data), RunOptions())
    assert report.scenarios[0].errors == ()
    return report.scenarios[0]


def seen(model: ModelReport) -> Any:
    return model.mixes, model.window


@pytest.mark.parametrize(
    ("one", "other", "shape", "told"),
    [
        (
            SAME,
            {"Conv1D": {**SAME["Conv1D"], "padding": "causal"}},
            (8, 2),
            [("window", (3, 1)), ("causal", (3, 1))],
        ),
        (
            SAME,
            {"Conv1D": {**SAME["Conv1D"], "kernel_size": 5}},
            (8, 2),
            [("window", (3, 1)), ("window", (5, 1))],
        ),
        (SEQUENCE, {"LSTM": {"units": 3}}, (None, 2), [("causal", None), ("reduces", None)]),
    ],
    ids=["different", "param_mismatch", "shape_mismatch"],
)
def test_a_difference_is_reported(one, other, shape, told):
    report = compared(one, other, *shape)
    assert [seen(model) for model in report.models] == told
    assert all(model.steps for model in report.models)


def test_the_pair_report_has_it(report_of):
    text = report_of(compared(SAME, {"Conv1D": {**SAME["Conv1D"], "padding": "causal"}}, 8, 2))
    facts = " ".join(text.split())
    assert "one: mixes: window" in facts
    assert "other: mixes: causal" in facts


@pytest.fixture
def report_of():
    from layerlens.run.pipeline import report_of as whole

    return lambda scenario: render(whole((scenario,)), "rich", RenderOptions(width=100))


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        (SAME, {"Conv1D": {**SAME["Conv1D"], "activation": "relu"}}, (8, 2)),  # seen alike
        (SEQUENCE, SEQUENCE, (8, 2)),  # equal functions
        ({"Dense": {"units": 2}}, {"Dense": {"units": 2, "activation": "relu"}}, (3,)),  # no steps
    ],
    ids=["alike", "equivalent", "no steps"],
)
def test_equal_models_are_not_reported(one, other, shape):
    report = compared(one, other, *shape)
    assert [seen(model) for model in report.models] == [(None, None)] * 2
    assert not any(model.steps for model in report.models)


def test_expensive_models_are_not_measured_without_a_request(monkeypatch):
    monkeypatch.setattr(contrast, "_MAX_MULTIPLY_ADDS", 100)
    monkeypatch.setattr(contrast, "measure_whole", None)  # not to be called
    report = compared(SAME, {"Conv1D": {**SAME["Conv1D"], "padding": "causal"}}, 8, 2)
    assert [seen(model) for model in report.models] == [(None, None)] * 2
