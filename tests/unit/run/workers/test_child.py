"""The loop of a worker process, driven through its pipe."""

from __future__ import annotations

import multiprocessing
import threading
import time
from typing import Any

from layerlens.errors import UsageError
from layerlens.report.run import ScenarioReport
from layerlens.run.faults import fault_report
from layerlens.run.known import Tell
from layerlens.run.workers.child import answer


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
