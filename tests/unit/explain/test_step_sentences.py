"""Sentences on steps hold for the mode and the lengths at which the steps were measured."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.dependence import measure
from layerlens.report.run import ScenarioReport
from layerlens.run.scenario import run_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")


def ran(models: dict[str, Any], *shape: int | None, **more: Any) -> ScenarioReport:
    data = {"input": {"shape": list(shape)}, "models": models, **more}
    (scenario,) = scenario_from_mapping(data)
    report = run_scenario(scenario, RunOptions(deps=True))
    assert report.errors == ()
    return report


def sentences(report: ScenarioReport, place: int = 0) -> str:
    return " ".join(report.pairs[place].why)


def dilated(rate: int) -> list[Any]:
    return [
        {
            "Conv1D": {
                "filters": 2,
                "kernel_size": 2,
                "padding": "causal",
                "dilation_rate": rate,
            }
        }
    ]


def test_a_variable_length_is_measured_beyond_the_receptive_field() -> None:
    report = ran({"a": dilated(95), "b": dilated(105)}, None, 1)
    assert [model.mixes for model in report.models] == ["causal", "causal"]
    assert "`conv1d` depends on its own and earlier input steps (measured over 98 and " in (
        sentences(report)
    )


def test_a_receptive_field_beyond_the_limit_is_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure, "MAX_LENGTH", 50)
    report = ran({"a": dilated(95), "b": dilated(105)}, None, 1)
    assert [model.mixes for model in report.models] == [None, None]
    assert report.models[0].unmeasured == "its receptive field is 96 steps; up to 50 are tried"
    assert report.models[1].layers[0].mixes is None
    assert "input step" not in sentences(report)


@pytest.mark.nightly
def test_steps_that_only_training_mixes_are_reported_in_training() -> None:
    models = {
        "bn": ["BatchNormalization"],
        "td": [{"TimeDistributed": {"layer": {"BatchNormalization": {}}}}],
    }
    both = ran(models, 4, 2, modes=["inference", "training"])
    inference, training = sentences(both), sentences(both, 1)
    assert "depends only on its own input step (measured" in inference
    assert "training" not in inference
    assert (
        "an output step of `bn` depends on every input step and on other samples of the batch, one "
        "of `td` on its own input step and on other samples of the batch (measured in "
        "training" in training
    )
    assert "only on" not in training
    # The models' own rows tell of inference, where the scenario has it.
    assert [model.mixes for model in both.models] == ["none", "none"]


def test_models_that_training_does_not_change_are_measured_once() -> None:
    one = ran(
        {"a": [{"Dense": 2}], "b": [{"Conv1D": {"filters": 2, "kernel_size": 1}}]},
        4,
        3,
        modes=["training"],
    )
    assert "depends only on its own input step (measured in training" in sentences(one)
    drawn = ran({"a": [{"Dropout": 0.5}], "b": [{"Dropout": 0.4}]}, 4, 3, modes=["training"])
    assert "its own input step and on chance" in sentences(drawn)
