"""The terminal: its width, its colours, and the progress line."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from layerlens.files import can_encode

if TYPE_CHECKING:
    from layerlens.render import RenderOptions
    from layerlens.run.pipeline import Progress


def show_progress(*, quiet: bool) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """Return a context manager that shows progress; None where standard error is no terminal."""
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from layerlens.render.progress import ProgressLine

    return closing(ProgressLine())


def wants_colour() -> bool:
    """Return whether standard output shows colours and NO_COLOR is not set (no-color.org)."""
    dumb = os.environ.get("TERM", "") == "dumb"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and not dumb


def columns() -> int:
    """Return the terminal's width, at least 40 columns."""
    return max(shutil.get_terminal_size().columns, 40)


def fit_terminal(options: RenderOptions) -> RenderOptions:
    """Return the options with the width, colour and characters of standard output."""
    ascii_only = not can_encode("─│└≠✔✘×→")
    return replace(options, width=columns(), colour=wants_colour(), ascii=ascii_only)
