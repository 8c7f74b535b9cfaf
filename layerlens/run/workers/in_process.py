"""Run scenarios one after another in this process, with a time limit for each."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from layerlens.models.backend import global_settings
from layerlens.run.known import Known, News, untold
from layerlens.run.workers.executor import OnStart
from layerlens.run.workers.losses import timed_out
from layerlens.run.workers.tasks import Work

if TYPE_CHECKING:
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.spec import Scenario

#: Virtual memory; Keras and code called from it recurse over the layers of deep models.
_STACK_BYTES = 64 * 1024**2


class InProcessExecutor:
    """Runs scenarios in this process until one exceeds its time; then `stuck` is true.

    A TensorFlow kernel cannot be stopped from outside: its thread goes on, and no timing or memory
    figure of this process can be trusted any more.
    """

    def __init__(self, work: Work, timeout: float | None) -> None:
        self._work = work
        self._timeout = timeout
        self.stuck = False

    def prepare(self, count: int) -> None:
        """Do nothing: TensorFlow starts with the first scenario."""

    def close(self) -> None:
        """Do nothing: there is no process to release."""

    def run(
        self, scenarios: Sequence[Scenario], positions: Sequence[int], on_start: OnStart
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Yield the position and the report of each scenario, until one is stuck."""
        for position in positions:
            on_start(position)
            yield position, self._report(scenarios[position])
            if self.stuck:
                return

    def _report(self, scenario: Scenario) -> ScenarioReport:
        if self._timeout is None:
            return self._work(scenario, tell=untold)
        thread = _ScenarioThread(self._work, scenario)
        before = threading.stack_size(_STACK_BYTES)
        try:
            thread.start()
        finally:
            threading.stack_size(before)
        thread.join(self._timeout)
        if thread.is_alive():
            self.stuck = True
            global_settings.restore_outermost()
            return timed_out(scenario, self._timeout, thread.known)
        return thread.result()


class _ScenarioThread(threading.Thread):
    def __init__(self, work: Work, scenario: Scenario) -> None:
        super().__init__(name="layerlens-scenario", daemon=True)
        self._work = work
        self._scenario = scenario
        #: What the scenario has told so far.
        self.known = Known()
        self._report: ScenarioReport | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._report = self._work(self._scenario, tell=self._hear)
        except BaseException as error:  # `result` raises it in the caller's thread
            self._error = error

    def _hear(self, news: News) -> None:
        self.known = self.known.with_news(news)

    def result(self) -> ScenarioReport:
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report
