"""Run scenarios in worker processes, with limits on time and memory; replace those that die."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import psutil

from layerlens.run.known import Known, News
from layerlens.run.workers.child import serve
from layerlens.run.workers.executor import OnStart
from layerlens.run.workers.jobs import jobs_for
from layerlens.run.workers.losses import cause, died, not_started, out_of_memory, timed_out
from layerlens.scenario.options import RunOptions
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.spec import Scenario

#: The longest that importing TensorFlow may take, in seconds.
_START_SECONDS = 300.0
#: Seconds between two looks at the memory of a worker.
_MEMORY_SECONDS = 0.1
#: A worker that has grown by this much since it started is replaced.
_GROWTH_BYTES = 1024**3

#: After this many workers in a row that ended before their first scenario, no more are started.
_MOST_FAILED = 5

#: What a worker process runs: `child.serve`, or another function in tests.
Serve = Callable[[Connection, Command, RunOptions], None]


@dataclass
class _Worker:
    """One process: `ready` once it has imported; `position` is that of its scenario."""

    process: BaseProcess
    pipe: Connection
    since: float
    ready: bool = False
    position: int | None = None
    base_bytes: int = 0
    #: What its scenario has told so far.
    known: Known = field(default_factory=Known)

    @property
    def idle(self) -> bool:
        return self.ready and self.position is None

    def seconds(self) -> float:
        return time.monotonic() - self.since

    def resident(self) -> int:
        """Return the bytes in memory of the process and the runtimes it started; 0 once gone."""
        with suppress(psutil.Error):
            own = psutil.Process(self.process.pid)
            return sum(int(one.memory_info().rss) for one in (own, *own.children(recursive=True)))
        return 0

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


class WorkerPool:
    """One or more processes. They are spawned: TensorFlow does not survive a fork."""

    def __init__(self, kind: Command, options: RunOptions, serve: Serve = serve) -> None:
        self._kind = kind
        self._options = options
        self._serve = serve
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        #: Workers in a row that ended before their first scenario, and how the last one ended.
        self._failed = 0
        self._cause = ""

    def prepare(self, count: int) -> None:
        """Start workers for `count` scenarios; they import TensorFlow at once."""
        self._start(jobs_for(self._kind, self._options, count))

    def _start(self, count: int) -> None:
        """Start workers until there are `count`, unless too many in a row have failed."""
        while len(self._workers) < count and self._failed < _MOST_FAILED:
            ours, theirs = self._context.Pipe()
            options = replace(self._options, jobs=count)
            process = self._context.Process(
                target=self._serve, args=(theirs, self._kind, options), daemon=True
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
        self, scenarios: Sequence[Scenario], positions: Sequence[int], on_start: OnStart
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Yield the position and the report of the scenarios at `positions`, as they finish."""
        waiting = deque(positions)
        left = len(waiting)
        most = jobs_for(self._kind, self._options, left)
        while left:
            self._start(min(most, left))
            if not self._workers:
                for position in waiting:
                    yield position, not_started(scenarios[position], _MOST_FAILED, self._cause)
                return
            for worker in list(self._workers):
                if worker.idle and waiting and self._send(worker, waiting[0], scenarios):
                    on_start(waiting.popleft())
            for position, report in self._next_reports(scenarios):
                left -= 1
                self._failed = 0
                yield position, report

    def _send(self, worker: _Worker, position: int, scenarios: Sequence[Scenario]) -> bool:
        """Send a scenario to a worker; return False if the worker has died."""
        try:
            worker.pipe.send(scenarios[position])
        except OSError:
            self._drop_failed(worker)
            return False
        worker.position, worker.since = position, time.monotonic()
        worker.known = Known()
        return True

    def _next_reports(self, scenarios: Sequence[Scenario]) -> Iterator[tuple[int, ScenarioReport]]:
        """Wait for a message or a limit, and yield the reports that follow from it."""
        if not self._workers:
            return
        readable_pipes = wait([worker.pipe for worker in self._workers], timeout=self._patience())
        for worker in list(self._workers):
            if worker.pipe in readable_pipes:
                yield from self._receive(worker, scenarios)
            elif not worker.ready and worker.seconds() > _START_SECONDS:
                self._drop_failed(worker)
                self._failed = _MOST_FAILED  # another one would take as long
            if worker.position is None or worker not in self._workers:
                continue
            report = self._over_limit(worker, scenarios[worker.position])
            if report is not None:
                yield worker.position, report
                self._remove(worker)

    def _receive(
        self, worker: _Worker, scenarios: Sequence[Scenario]
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Read a message: that the worker is ready, news, a report, or the end of its pipe."""
        try:
            message = worker.pipe.recv()
            while isinstance(message, News) and worker.pipe.poll():
                worker.known = worker.known.with_news(message)
                message = worker.pipe.recv()
        except (EOFError, OSError):
            if worker.position is not None:
                worker.process.join(timeout=5)
                scenario, status = scenarios[worker.position], worker.process.exitcode
                yield worker.position, died(scenario, status, worker.seconds(), worker.known)
                self._remove(worker)
            else:
                self._drop_failed(worker)
            return
        if not worker.ready:
            worker.ready = True
            worker.base_bytes = worker.resident()
            return
        assert worker.position is not None
        if isinstance(message, News):
            worker.known = worker.known.with_news(message)
            return
        yield worker.position, message
        worker.position = None
        if worker.resident() - worker.base_bytes > _GROWTH_BYTES:
            self._remove(worker)

    def _over_limit(self, worker: _Worker, scenario: Scenario) -> ScenarioReport | None:
        """Return the report of a scenario beyond its time or memory limit; None within both."""
        timeout, most = self._options.timeout, self._options.max_memory
        if timeout is not None and worker.seconds() > timeout:
            return timed_out(scenario, timeout, worker.known)
        if most is None or (taken := worker.resident()) <= most:
            return None
        return out_of_memory(
            scenario, taken, most, worker.base_bytes, worker.seconds(), worker.known
        )

    def _drop_failed(self, worker: _Worker) -> None:
        """Remove a worker that ended, or never got ready, without a scenario."""
        worker.process.join(timeout=5)
        still_runs = worker.process.exitcode is None
        self._note_failure(
            f"not ready after {_START_SECONDS:g} s"
            if still_runs
            else cause(worker.process.exitcode)
        )
        self._remove(worker)

    def _note_failure(self, cause: str) -> None:
        self._failed += 1
        self._cause = cause

    def _remove(self, worker: _Worker) -> None:
        worker.end()
        self._workers.remove(worker)

    def _patience(self) -> float:
        """Return the seconds until the next limit has to be checked."""
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
            least = min(least, _MEMORY_SECONDS)
        return max(0.01, least + 0.01)
