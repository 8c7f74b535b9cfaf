"""Scenarios are run in several processes, each watched, replaced where it is lost."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import psutil

from layerlens.byte_size import readable
from layerlens.run.workers.child import serve
from layerlens.run.workers.tasks import lost, timed_out
from layerlens.scenario.options import RunOptions
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.spec import Scenario

#: How long importing TensorFlow may take on the slowest of disks, in seconds.
_START_SECONDS = 300.0
#: How often memory is looked at, in seconds.
_LOOK_SECONDS = 0.1
#: A process that has grown by so much since it started makes room for a new one.
_GROWTH_BYTES = 1024**3

#: So many processes in a row may end before they have done anything; then no more are started.
_MOST_FAILED = 5

#: SIGKILL, which Windows has not.
_KILLED = 9
_OF_MEMORY = (
    "where memory runs out, the system ends processes so: `--max-memory` says which scenario takes "
    "how much, and fewer `--jobs` take less at once"
)
_OF_A_KERNEL = (
    "a kernel of TensorFlow does so on sizes that it was not made for: `layerlens summary` shows "
    "the models without running them, and Keras may take the sizes without a word"
)

Serving = Callable[[Connection, Command, RunOptions], None]


@dataclass
class _Worker:
    """One process: `ready` once it has imported, `position` of the scenario it is at."""

    process: BaseProcess
    pipe: Connection
    since: float
    ready: bool = False
    position: int | None = None
    base_bytes: int = 0

    @property
    def idle(self) -> bool:
        return self.ready and self.position is None

    def seconds(self) -> float:
        return time.monotonic() - self.since

    def resident(self) -> int:
        """Return the bytes the process has in memory; 0 once it is gone."""
        with suppress(psutil.Error):
            return int(psutil.Process(self.process.pid).memory_info().rss)
        return 0

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


class Workers:
    """Up to `jobs` processes. They are spawned: TensorFlow does not survive a fork."""

    def __init__(self, kind: Command, options: RunOptions, serving: Serving = serve) -> None:
        self._kind = kind
        self._options = options
        self._serving = serving
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        #: How many processes have ended in a row before they had done anything, and how the last
        #: one ended.
        self._failed = 0
        self._cause = ""

    def start(self, count: int) -> None:
        """Have so many processes, unless too many came to nothing; they import at once."""
        while len(self._workers) < count and self._failed < _MOST_FAILED:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=self._serving, args=(theirs, self._kind, self._options), daemon=True
            )
            try:
                process.start()
            except OSError as error:  # no memory for it, or too many processes already
                ours.close()
                self._note_failure(error.strerror or str(error))
                continue
            finally:
                theirs.close()
            self._workers.append(_Worker(process, ours, time.monotonic()))

    def close(self) -> None:
        """End every process."""
        while self._workers:
            self._workers.pop().end()

    def run(
        self, scenarios: Sequence[Scenario], positions: Sequence[int], begun: Callable[[int], None]
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Yield position and report of the scenarios at the positions, as they are done."""
        waiting = deque(positions)
        left = len(waiting)
        while left:
            self.start(min(self._options.jobs, left))
            if not self._workers:
                for position in waiting:
                    yield position, self._without_process(scenarios[position])
                return
            for worker in list(self._workers):
                if worker.idle and waiting and self._give(worker, waiting[0], scenarios):
                    begun(waiting.popleft())
            for position, report in self._happened(scenarios):
                left -= 1
                self._failed = 0
                yield position, report

    def _give(self, worker: _Worker, position: int, scenarios: Sequence[Scenario]) -> bool:
        """Send a scenario to a process; return False where the process has died meanwhile."""
        try:
            worker.pipe.send(scenarios[position])
        except OSError:
            self._came_to_nothing(worker)
            return False
        worker.position, worker.since = position, time.monotonic()
        return True

    def _happened(self, scenarios: Sequence[Scenario]) -> Iterator[tuple[int, ScenarioReport]]:
        """Wait for the next thing to happen, and yield the reports that came of it."""
        if not self._workers:
            return
        told = wait([worker.pipe for worker in self._workers], timeout=self._patience())
        for worker in list(self._workers):
            if worker.pipe in told:
                yield from self._heard(worker, scenarios)
            elif worker.position is not None:
                report = self._overstepped(worker, scenarios[worker.position])
                if report is not None:
                    yield worker.position, report
                    self._remove(worker)
            elif not worker.ready and worker.seconds() > _START_SECONDS:
                self._came_to_nothing(worker)
                self._failed = _MOST_FAILED  # nobody waits as long for another one

    def _heard(
        self, worker: _Worker, scenarios: Sequence[Scenario]
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Take what a process says: that it is ready, or a report; or that it says nothing more."""
        try:
            report = worker.pipe.recv()
        except (EOFError, OSError):
            if worker.position is not None:
                scenario = scenarios[worker.position]
                yield worker.position, self._died(worker, scenario)
                self._remove(worker)
            else:
                self._came_to_nothing(worker)
            return
        if not worker.ready:
            worker.ready = True
            worker.base_bytes = worker.resident()
            return
        assert worker.position is not None
        yield worker.position, report
        worker.position = None
        if worker.resident() - worker.base_bytes > _GROWTH_BYTES:
            self._remove(worker)

    def _overstepped(self, worker: _Worker, scenario: Scenario) -> ScenarioReport | None:
        """Return the report of a scenario that takes more than it may; None while it does not."""
        timeout, most = self._options.timeout, self._options.max_memory
        if timeout is not None and worker.seconds() > timeout:
            return timed_out(scenario, timeout)
        if most is None or (taken := worker.resident()) <= most:
            return None
        return lost(
            scenario,
            f"stopped at {readable(taken)} of memory; {readable(most)} are allowed",
            f"allow it more with `--max-memory`; {readable(worker.base_bytes)} are taken before "
            "anything is built",
            worker.seconds(),
        )

    def _died(self, worker: _Worker, scenario: Scenario) -> ScenarioReport:
        worker.process.join(timeout=5)
        return lost(
            scenario,
            f"the process that ran this scenario died ({_cause(worker.process.exitcode)})",
            _OF_MEMORY if worker.process.exitcode == -_KILLED else _OF_A_KERNEL,
            worker.seconds(),
        )

    def _came_to_nothing(self, worker: _Worker) -> None:
        """Take leave of a process that had no scenario; another one takes its place."""
        worker.process.join(timeout=5)
        still_runs = worker.process.exitcode is None
        self._note_failure(
            f"not ready after {_START_SECONDS:g} s"
            if still_runs
            else _cause(worker.process.exitcode)
        )
        self._remove(worker)

    def _note_failure(self, cause: str) -> None:
        self._failed += 1
        self._cause = cause

    def _without_process(self, scenario: Scenario) -> ScenarioReport:
        return lost(
            scenario,
            "no process to run this scenario could be started: "
            f"{_MOST_FAILED} in a row came to nothing (the last: {self._cause})",
            "check that `python -c 'import tensorflow, keras'` works and that there is memory for "
            "it; without `--jobs` and `--max-memory` no other process is needed",
            0.0,
        )

    def _remove(self, worker: _Worker) -> None:
        worker.end()
        self._workers.remove(worker)

    def _patience(self) -> float:
        """Return how long nothing needs to be looked at, in seconds."""
        limits = [
            (self._options.timeout if worker.ready else _START_SECONDS, worker)
            for worker in self._workers
            if not worker.idle
        ]
        least = min(
            (limit - worker.seconds() for limit, worker in limits if limit is not None),
            default=_START_SECONDS,
        )
        if self._options.max_memory is not None:
            least = min(least, _LOOK_SECONDS)
        return max(0.01, least + 0.01)


def _cause(status: int | None) -> str:
    if status is None or status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
