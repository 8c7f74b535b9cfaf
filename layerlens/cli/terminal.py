"""How a terminal is shown things: its width, its colours, and how far a run is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerlens.run.pipeline import Progress


def show_progress(*, quiet: bool) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """Return a context that gives a listener for progress, or None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from layerlens.render.progress import ProgressLine

    return closing(ProgressLine())


def wants_colour() -> bool:
    """Colour is for terminals that have it, unless NO_COLOR is set to anything (no-color.org)."""
    dumb = os.environ.get("TERM", "") == "dumb"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and not dumb


def columns() -> int:
    return max(shutil.get_terminal_size().columns, 40)
