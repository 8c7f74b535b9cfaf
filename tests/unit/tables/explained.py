"""Runs a scenario given as a mapping and returns its report, with repairs tried."""

from __future__ import annotations

from typing import Any

from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run.scenario import run_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

EXPLAIN = RunOptions(explain=True)
TOKENS = {"shape": [6], "dtype": "int32", "low": 0, "high": 5}


def ran(models: dict[str, Any], given: Any = None, options: RunOptions = EXPLAIN) -> ScenarioReport:
    data = {"input": given or {"shape": [4, 3]}, "models": models}
    (scenario,) = scenario_from_mapping(data)
    report = run_scenario(scenario, options)
    assert report.errors == ()
    return report


def pair_of(report: ScenarioReport) -> PairReport:
    (pair,) = report.pairs
    return pair


def masked(**more: Any) -> list[Any]:
    """Return layers that pass a mask on; `more` are arguments of the recurrent one."""
    return [
        {"Embedding": {"input_dim": 5, "output_dim": 2, "mask_zero": True}},
        {"SimpleRNN": {"units": 2, "return_sequences": True, **more}},
    ]
