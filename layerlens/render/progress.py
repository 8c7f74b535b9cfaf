"""Progress enters, one line on standard error shows it and is gone when the work is done."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.status import Status
from rich.text import Text

from layerlens.render.wording import one_line


class Progress(Protocol):
    """How far a run is; `layerlens.running` tells it."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def title(self) -> str: ...


class ProgressLine:
    """A context that gives a listener; the line appears with the first thing it is told."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status: Status | None = None

    def __enter__(self) -> ProgressLine:
        return self

    def __call__(self, progress: Progress) -> None:
        text = Text(f"{progress.done + 1} of {progress.total}: {one_line(progress.title)}")
        text.truncate(max(20, self._console.width - 4), overflow="ellipsis")
        if self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()
