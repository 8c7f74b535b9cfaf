"""Scenarios are run one after another in this process, each for no longer than it may take."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from layerlens.models.backend import global_settings
from layerlens.run.workers.tasks import Work, timed_out

if TYPE_CHECKING:
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.spec import Scenario

#: Virtual; what walks a deep model's layers outside of Keras recurses as well.
_STACK_BYTES = 64 * 1024**2


class Alone:
    """Runs scenarios until one does not end; then `stuck` is set, and `done` says how many were.

    A kernel of TensorFlow cannot be stopped from outside, only left alone: the thread goes on, and
    with it this process is no longer one in which to measure.
    """

    def __init__(self, work: Work, timeout: float | None) -> None:
        self._work = work
        self._timeout = timeout
        self.stuck = False
        self.done = 0

    def run(
        self, scenarios: Sequence[Scenario], begun: Callable[[int], None]
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Yield the position and the report of each scenario."""
        for position, scenario in enumerate(scenarios):
            begun(position)
            report = self._report(scenario)
            self.done = position + 1
            yield position, report
            if self.stuck:
                return

    def _report(self, scenario: Scenario) -> ScenarioReport:
        if self._timeout is None:
            return self._work(scenario)
        doing = _Doing(self._work, scenario)
        before = threading.stack_size(_STACK_BYTES)
        try:
            doing.start()
        finally:
            threading.stack_size(before)
        doing.join(self._timeout)
        if doing.is_alive():
            self.stuck = True
            global_settings.restore_outermost()
            return timed_out(scenario, self._timeout)
        return doing.result()


class _Doing(threading.Thread):
    def __init__(self, work: Work, scenario: Scenario) -> None:
        super().__init__(name="layerlens-scenario", daemon=True)
        self._work = work
        self._scenario = scenario
        self._report: ScenarioReport | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._report = self._work(self._scenario)
        except BaseException as error:  # raised again in the thread that asked
            self._error = error

    def result(self) -> ScenarioReport:
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report
