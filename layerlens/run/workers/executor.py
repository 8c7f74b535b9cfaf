"""The interface of what runs scenarios: in this process, or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.spec import Scenario

#: Called with the position of each scenario when it starts.
OnStart = Callable[[int], None]


class Executor(Protocol):
    """Runs scenarios; `close` it when done."""

    def prepare(self, count: int) -> None:
        """Start what `count` scenarios will need, without waiting for it."""

    def run(
        self, scenarios: Sequence[Scenario], positions: Sequence[int], on_start: OnStart
    ) -> Iterator[tuple[int, ScenarioReport]]:
        """Yield the position and the report of the scenarios at `positions`, as they finish.

        May stop early: the positions not yielded have not been run.
        """

    def close(self) -> None:
        """Release every process."""
