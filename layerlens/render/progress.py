"""Show the progress of a run in one line on standard error."""

from __future__ import annotations

from typing import Protocol

import rich.progress
from rich.console import Console
from rich.text import Text

from layerlens.render.wording import one_line

_BAR_WIDTH = 24


class Progress(Protocol):
    """The progress of a run, as in `layerlens.run.pipeline`."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def title(self) -> str: ...


class ProgressLine:
    """A listener for `Progress` that shows one line, from the first call until `close`.

    For one scenario the line is its title; for several it has a bar and the number done.
    """

    def __init__(self, *, colorless: bool = False) -> None:
        # None leaves it to NO_COLOR.
        self._console = Console(stderr=True, no_color=True if colorless else None)
        self._shown: rich.progress.Progress | None = None
        self._task = rich.progress.TaskID(0)

    def __call__(self, progress: Progress) -> None:
        if self._shown is None:
            self._shown = self._started(progress.total)
        room = self._console.width - 4
        title = one_line(progress.title)
        if progress.total > 1:
            room -= _BAR_WIDTH + 1
            title = f"{progress.done} of {progress.total} done; {title}"
        text = Text(title)
        text.truncate(max(16, room), overflow="ellipsis")
        self._shown.update(self._task, completed=progress.done, description=text.plain)

    def _started(self, total: int) -> rich.progress.Progress:
        bar = [rich.progress.BarColumn(_BAR_WIDTH)] if total > 1 else []
        shown = rich.progress.Progress(
            rich.progress.SpinnerColumn(),
            *bar,
            rich.progress.TextColumn("{task.description}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task = shown.add_task("", total=total)
        shown.start()
        return shown

    def close(self) -> None:
        """Remove the line."""
        if self._shown is not None:
            self._shown.stop()
