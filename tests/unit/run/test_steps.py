"""The step dependence of a scenario's models: measured once for each mode that matters."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.build.request import Built
from layerlens.models.variants import ModelVariants
from layerlens.run import steps as module
from layerlens.run.steps import StepMeasurement
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")


def variants_of(*candidate: Any) -> ModelVariants:
    models = {"one": [{"Dense": 2}], "other": list(candidate)}
    (scenario,) = scenario_from_mapping({"input": {"shape": [5, 3]}, "models": models}, "a.yaml")
    return Trial(scenario, RunOptions(deps=True)).variants


def measurement_of(*candidate: Any) -> tuple[StepMeasurement, list[Any]]:
    variants = variants_of(*candidate)
    built = variants.build_all()
    return StepMeasurement(variants, built), [one.report for one in built.values()]


def test_each_layer_says_how_it_mixes_steps() -> None:
    steps, reports = measurement_of(
        {"Conv1D": {"filters": 2, "kernel_size": 2, "padding": "causal"}}
    )
    one, other = steps.of_layers(reports, "inference")
    assert [row.mixes for row in one.layers] == ["none"]
    assert [row.mixes for row in other.layers] == ["causal"]


def test_a_mode_without_effect_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    whole = module.measure_dependence

    def counted(model: Built, **options: Any) -> Any:
        measured.append((model.spec.name, options["training"]))
        return whole(model, **options)

    monkeypatch.setattr(module, "measure_dependence", counted)
    steps, reports = measurement_of("BatchNormalization")
    for mode in ("inference", "training", "inference"):
        steps.of_layers(reports, mode)  # type: ignore[arg-type]
    assert measured == [("one", False), ("other", False), ("other", True)]


def test_a_refused_model_is_passed_on() -> None:
    steps, reports = measurement_of({"Conv1D": {"filters": 2, "kernel_size": 9}})
    found = steps.of_layers(reports, "inference")
    assert found[1] is reports[1]


def test_a_pair_gets_the_dependence_of_whole_models_where_it_differs() -> None:
    steps, reports = measurement_of({"GRU": {"units": 2, "return_sequences": True}})
    one, other = steps.of_pairs(reports, "inference", ["other"])
    assert (one.mixes, other.mixes) == ("none", "causal")
    same, reports = measurement_of({"Conv1D": {"filters": 2, "kernel_size": 1}})
    assert [model.mixes for model in same.of_pairs(reports, "inference", ["other"])] == [None, None]
