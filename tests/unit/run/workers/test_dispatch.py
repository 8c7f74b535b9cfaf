"""Which executor runs the scenarios."""

from __future__ import annotations

import pytest

from layerlens.errors import LayerlensError
from layerlens.run.workers import jobs
from layerlens.run.workers.dispatch import Dispatcher
from layerlens.run.workers.in_process import InProcessExecutor
from layerlens.run.workers.pool import WorkerPool
from layerlens.scenario.options import RunOptions


@pytest.mark.parametrize(
    ("options", "count", "executor"),
    [
        (RunOptions(), 9, InProcessExecutor),
        (RunOptions(jobs=2), 1, InProcessExecutor),
        (RunOptions(jobs=2), 2, WorkerPool),
        (RunOptions(max_memory=10**9), 1, WorkerPool),
    ],
)
def test_options_choose_the_executor(
    options: RunOptions, count: int, executor: type[object]
) -> None:
    assert isinstance(Dispatcher("compare", options)._executor(count), executor)


def test_many_scenarios_take_more_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "count_processors", lambda: 4)
    monkeypatch.setattr(jobs, "free_memory", lambda: 64 * 1024**3)
    auto = RunOptions(jobs=None)
    counts = {count: jobs.jobs_for("compare", auto, count) for count in (0, 1, 23, 24, 47, 48, 99)}
    assert counts == {0: 1, 1: 1, 23: 1, 24: 2, 47: 3, 48: 4, 99: 4}
    assert jobs.jobs_for("summary", auto, 99) == 1
    assert isinstance(Dispatcher("compare", auto)._executor(23), InProcessExecutor)
    assert isinstance(Dispatcher("compare", auto)._executor(24), WorkerPool)
    monkeypatch.setattr(jobs, "free_memory", lambda: 5 * 1024**3)
    assert jobs.jobs_for("compare", auto, 99) == 2
    monkeypatch.setattr(jobs, "count_processors", lambda: 1)
    assert jobs.jobs_for("compare", auto, 99) == 1


def test_after_a_stuck_scenario_processes_are_used() -> None:
    dispatcher = Dispatcher("compare", RunOptions())
    dispatcher._here.stuck = True
    assert isinstance(dispatcher._executor(1), WorkerPool)


def test_scripts_are_written_in_this_process() -> None:
    dispatcher = Dispatcher("compare", RunOptions(jobs=4), lambda *_: None)
    assert isinstance(dispatcher._executor(9), InProcessExecutor)


def test_no_script_is_written_after_a_process_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dispatcher, "isolated", True)
    assert isinstance(Dispatcher("compare", RunOptions())._executor(1), WorkerPool)
    with pytest.raises(LayerlensError, match="no script can be written"):
        Dispatcher("compare", RunOptions(), lambda *_: None)
