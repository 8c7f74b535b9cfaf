"""Work in this process, with a time limit for each scenario."""

from __future__ import annotations

import threading

import pytest

from layerlens.report.run import ScenarioReport
from layerlens.run.known import Tell
from layerlens.run.workers.in_process import InProcessExecutor
from layerlens.scenario.spec import Scenario


def scenarios(*titles: str) -> list[Scenario]:
    return [Scenario(f"{title}.yaml", title, (), "one") for title in titles]


def test_a_scenario_beyond_its_time_is_left_and_the_rest_not_run():
    let_go = threading.Event()

    def work(scenario: Scenario, *, tell: Tell) -> ScenarioReport:
        if scenario.title == "hanging":
            let_go.wait(30)
        return ScenarioReport(scenario.path, scenario.title, None, "pass", 0.0)

    before = set(threading.enumerate())
    executor = InProcessExecutor(work, timeout=0.3)
    found = list(executor.run(scenarios("good", "hanging", "further"), range(3), lambda _: None))
    assert [(position, one.status) for position, one in found] == [(0, "pass"), (1, "error")]
    assert "stopped after 0.3 s" in found[1][1].errors[0].message
    assert executor.stuck
    (left,) = set(threading.enumerate()) - before
    let_go.set()
    left.join(10)
    assert not left.is_alive()


def test_a_fault_of_the_work_is_raised():
    def work(scenario: Scenario, *, tell: Tell) -> ScenarioReport:
        raise ZeroDivisionError("by nought")

    with pytest.raises(ZeroDivisionError):
        list(InProcessExecutor(work, timeout=5.0).run(scenarios("bad"), [0], lambda _: None))
