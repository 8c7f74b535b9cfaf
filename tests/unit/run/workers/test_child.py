"""The loop of a worker process, driven through its pipe."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from typing import Any

import pytest

from layerlens.errors import UsageError
from layerlens.plain.garbage import COLLECT_AFTER
from layerlens.report.run import ScenarioReport
from layerlens.run.faults import fault_report
from layerlens.run.known import Tell
from layerlens.run.workers import child
from layerlens.run.workers.child import answer
from layerlens.scenario.options import RunOptions


def work(scenario: Any, *, tell: Tell) -> ScenarioReport:
    return fault_report(scenario, None, UsageError("wrong"), None, time.perf_counter())


def test_a_worker_is_ready_then_answers_each_scenario_until_the_pipe_closes() -> None:
    ours, theirs = multiprocessing.Pipe()
    worker = threading.Thread(target=answer, args=(theirs, work))
    worker.start()
    assert ours.recv() is None
    for path in ("a.yaml", "b.yaml"):
        ours.send(path)
        assert ours.recv().path == path
    ours.close()
    worker.join(timeout=10)
    assert not worker.is_alive()


def test_a_worker_collects_garbage_as_rarely_as_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("obey_parent", "_import_ahead"):
        monkeypatch.setattr(child, name, lambda: None)
    monkeypatch.setattr(child, "count_processors", lambda: 2)
    before, (ours, theirs) = gc.get_threshold(), multiprocessing.Pipe()
    ours.close()  # there is nothing to do
    gc.set_threshold(700)
    try:
        child.serve(theirs, "compare", RunOptions(jobs=1))
        assert gc.get_threshold()[0] == COLLECT_AFTER
    finally:
        gc.set_threshold(*before)
