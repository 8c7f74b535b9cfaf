"""One scenario is run: its status, its scripts, and models too large for memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerlens.report.pairs import PairReport
from layerlens.run.scenario import run_scenario
from layerlens.scenario.options import RunOptions
from tests.unit.tables.two_models import DENSE, RELU, run_two, scenario_of_two

pytestmark = pytest.mark.usefixtures("backend")

OPTIONS = RunOptions()


def test_expectations_decide_the_status() -> None:
    assert run_two([DENSE], [DENSE], expect={"verdicts": {"other": "equivalent"}}).status == "pass"
    failed = run_two([DENSE], [RELU], expect={"verdicts": {"other": "equivalent"}})
    assert failed.status == "fail"
    assert [row.held for row in failed.expectations] == [False]


def test_a_script_is_given_for_what_there_is_to_show() -> None:
    told: list[tuple[str, str]] = []

    def listen(pair: PairReport, script: str) -> None:
        told.append((pair.candidate, script))

    run_scenario(scenario_of_two([DENSE], [RELU]), OPTIONS, listen)
    ((candidate, script),) = told
    assert candidate == "other"
    compile(script, "script.py", "exec")
    told.clear()
    run_scenario(scenario_of_two([DENSE], [DENSE]), OPTIONS, listen)
    assert told == []


def test_too_large_a_model_is_refused_before_it_is_made() -> None:
    report = run_scenario(scenario_of_two([DENSE], [DENSE]), replace(OPTIONS, memory_limit=8))
    assert report.status == "error"
    (error,) = report.errors
    assert "memory" in error.message
    assert error.hint
    assert run_scenario(scenario_of_two([DENSE], [DENSE]), OPTIONS).status == "unchecked"
