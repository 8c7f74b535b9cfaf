"""Run scenarios in this process or in several, and yield each report when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from layerlens.errors import LayerlensError
from layerlens.run.workers.executor import Executor, OnStart
from layerlens.run.workers.in_process import InProcessExecutor
from layerlens.run.workers.jobs import jobs_for
from layerlens.run.workers.pool import WorkerPool
from layerlens.run.workers.tasks import work_of
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.pairs import ScriptListener
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import Scenario


class Dispatcher:
    """Chooses the executor for each call of `run`; `close` it when done.

    A few scenarios run in this process, where TensorFlow starts once for all of them. With `jobs`
    or `max_memory`, or where there are many, they run in worker processes: one that dies, hangs or
    exceeds a limit loses its own scenario alone. Worker processes are also used after a scenario
    got stuck in this process, and where `isolated` is set because an earlier process was lost.
    """

    isolated: ClassVar[bool] = False

    def __init__(
        self, kind: Command, options: RunOptions, on_script: ScriptListener | None = None
    ) -> None:
        if on_script is not None and self.isolated:
            raise LayerlensError(
                "no script can be written: the scenarios crashed their process",
                hint="run without `--repro` to see which scenario it was",
            )
        self._kind: Command = kind
        self._options = options
        self._here = InProcessExecutor(work_of(kind, options, on_script), options.timeout)
        self._pool = WorkerPool(kind, options)
        #: A listener cannot be called from another process.
        self._must_stay = on_script is not None

    def close(self) -> None:
        """End the worker processes."""
        self._pool.close()

    def prepare(self, count: int) -> None:
        """Start what `count` scenarios will need, without waiting for it."""
        self._executor(count).prepare(count)

    def run(
        self, scenarios: Sequence[Scenario], on_start: OnStart
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Yield the position and the report of every scenario, in the order they finish."""
        left = dict.fromkeys(range(len(scenarios)))
        while left:  # an executor that got stuck leaves the rest to another one
            executor = self._executor(len(scenarios))
            for position, report in executor.run(scenarios, list(left), on_start):
                del left[position]
                yield position, report

    def _executor(self, count: int) -> Executor:
        if self._here.stuck or self.isolated:
            return self._pool
        if self._must_stay:
            return self._here
        several = jobs_for(self._kind, self._options, count) > 1
        return self._pool if several or self._options.max_memory is not None else self._here
