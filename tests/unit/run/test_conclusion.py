"""The reasons of a verdict, and the changes that are tried."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.explain.align_layers import align_with_reference
from layerlens.report.pairs import PairReport
from layerlens.run.conclusion import with_reasons
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import ModelSpec

pytestmark = pytest.mark.usefixtures("backend")

DENSE = {"Dense": {"units": 2}}
RELU = {"Dense": {"units": 2, "activation": "relu"}}


def concluded(candidate: Any, mode: str = "inference") -> tuple[PairReport, list[ModelSpec]]:
    """Return a pair with its reasons, and the models that were tried as repairs."""
    (scenario,) = scenario_from_mapping(
        {"input": {"shape": [3]}, "modes": [mode], "models": {"a": [DENSE], "b": [candidate]}},
        "a.yaml",
    )
    trial = Trial(scenario, RunOptions())
    built = trial.variants.build_all()
    (decision,) = trial.decide(built)
    models = [one.report for one in built.values()]
    (diff,) = align_with_reference(models, scenario.reference)
    tried: list[ModelSpec] = []

    def judge(spec: ModelSpec, *_: Any) -> PairReport | None:
        tried.append(spec)
        return None

    return with_reasons(scenario, decision, models, diff, built, judge), tried


def test_a_difference_is_explained_and_repairs_are_tried() -> None:
    pair, tried = concluded(RELU)
    assert pair.verdict == "different"
    assert any("activation" in sentence for sentence in pair.why)
    assert tried
    assert all(spec.name == "b" for spec in tried)


def test_nothing_is_tried_on_models_that_agree() -> None:
    pair, tried = concluded(DENSE)
    assert (pair.verdict, tried) == ("equivalent", [])
    assert pair.why


def test_nothing_is_tried_in_training() -> None:
    pair, tried = concluded(RELU, "training")
    assert (pair.verdict, tried) == ("different", [])
    assert pair.why
