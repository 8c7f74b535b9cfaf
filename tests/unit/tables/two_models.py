"""A scenario of two models, run in this process."""

from __future__ import annotations

from typing import Any

from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run.scenario import run_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import Scenario

DENSE = {"Dense": {"units": 3}}
RELU = {"Dense": {"units": 3, "activation": "relu"}}


def scenario_of_two(one: Any, other: Any, *shape: int | None, **more: Any) -> Scenario:
    """Return a scenario of two models with one input; `more` are further keys of the file."""
    data = {"input": {"shape": list(shape or (4,))}, "models": {"one": one, "other": other}}
    (found,) = scenario_from_mapping({**data, **more})
    return found


def run_two(one: Any, other: Any, *shape: int | None, **more: Any) -> ScenarioReport:
    """Run such a scenario."""
    return run_scenario(scenario_of_two(one, other, *shape, **more), RunOptions())


def pair_of(report: ScenarioReport) -> PairReport:
    """Return the only pair of a report without errors."""
    assert report.errors == ()
    (pair,) = report.pairs
    return pair
