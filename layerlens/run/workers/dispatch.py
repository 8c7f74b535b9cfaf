"""Run scenarios in this process or in several, and yield each report when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from layerlens.errors import LayerlensError
from layerlens.run.workers.in_process import Alone
from layerlens.run.workers.pool import Workers
from layerlens.run.workers.tasks import Work, work_of
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.pairs import ScriptListener
    from layerlens.report.run import ScenarioReport
    from layerlens.run.workers.pool import Workers
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import Scenario

#: Is told the position of each scenario that is begun.
Begun = Callable[[int], None]


class Crew:
    """Runs scenarios in this process or in workers; `close` it in the end.

    One scenario at a time is run in this process, where TensorFlow is started once for all of
    them. With `jobs` or `max_memory` the work is done in processes that can be ended: one that
    dies, hangs or takes too much costs its own scenario alone. So it is where this whole process is
    `isolated`, because one before it was lost.
    """

    isolated: ClassVar[bool] = False

    def __init__(
        self, kind: Command, options: RunOptions, on_script: ScriptListener | None = None
    ) -> None:
        self._options = options
        self._kind = kind
        self._work: Work = work_of(kind, options, on_script)
        self._stays = on_script is not None
        if self._stays and self.isolated:
            raise LayerlensError(
                "no script can be written: running the scenarios ended their process",
                hint="without `--repro` the report says which of them did",
            )
        self._stuck = False
        self._workers: Workers | None = None

    def close(self) -> None:
        """End the worker processes."""
        if self._workers is not None:
            self._workers.close()

    def expect(self, count: int) -> None:
        """Be told that so many scenarios are coming: processes start importing for them."""
        if self._goes_out(count):
            self._out().start(min(self._options.jobs, count))

    def run(
        self, scenarios: Sequence[Scenario], begun: Begun
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Yield the position and the report of every scenario, in the order they are done."""
        if self._goes_out(len(scenarios)):
            yield from self._out().run(scenarios, range(len(scenarios)), begun)
            return
        if not scenarios:
            return
        alone = Alone(self._work, self._options.timeout)
        yield from alone.run(scenarios, begun)
        # Where one did not end, TensorFlow is still at work here: the rest is done in another.
        self._stuck = alone.stuck
        if rest := range(alone.done, len(scenarios)):
            yield from self._out().run(scenarios, rest, begun)

    def _goes_out(self, count: int) -> bool:
        if self._stays or count < 1:
            return False
        if self._stuck or self.isolated:
            return True
        several = self._options.jobs > 1 and count > 1
        return several or self._options.max_memory is not None

    def _out(self) -> Workers:
        if self._workers is None:
            self._workers = Workers(self._kind, self._options)
        return self._workers
