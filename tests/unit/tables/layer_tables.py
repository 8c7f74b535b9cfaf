"""Layer tables of models described in a test, and their alignment; no weights are allocated."""

from __future__ import annotations

from typing import Any

from layerlens.explain.align_layers import align_with_reference
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.scenario.reading.scenarios import scenario_from_mapping


def reports(shape: list[int | None], **models: Any) -> list[ModelReport]:
    """Return the tables of models that all build, from an input of this per-sample shape."""
    (scenario,) = scenario_from_mapping(
        {"input": {"shape": shape}, "models": models}, least_models=1
    )
    made = [
        build_model(model, scenario.inputs_of(model), allocate=False) for model in scenario.models
    ]
    assert all(isinstance(one, Built) for one in made)
    return [one.report for one in made]


def aligned(shape: list[int | None], **models: Any) -> ModelsDiff:
    """Align two models."""
    (diff,) = align_with_reference(reports(shape, **models))
    return diff
