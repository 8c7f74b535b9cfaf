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
    from layerlens.render import Color, RenderOptions
    from layerlens.run.pipeline import Progress


def show_progress(
    *, quiet: bool, color: Color = "auto"
) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """Return a context manager that shows progress; None where standard error is no terminal."""
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from layerlens.render.progress import ProgressLine

    return closing(ProgressLine(colorless=color == "never"))


def wants_colour(color: Color = "auto") -> bool:
    """Return whether standard output gets colors.

    `--color` decides; then NO_COLOR (no-color.org) and FORCE_COLOR (force-color.org), if they are
    not empty; then whether it is a terminal that shows colors.
    """
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced not in ("0", "false")
    return sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"


def columns() -> int:
    """Return the terminal's width, at least 40 columns."""
    return max(shutil.get_terminal_size().columns, 40)


def fit_terminal(options: RenderOptions, color: Color = "auto") -> RenderOptions:
    """Return the options with the width, colors and characters of standard output."""
    ascii_only = not can_encode("─│└≠✔✘×→")
    return replace(options, width=columns(), colour=wants_colour(color), ascii=ascii_only)
