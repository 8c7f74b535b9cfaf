"""Scales, tick marks and names shared by the pictures."""

from __future__ import annotations

import math

from layerlens.render.wording import one_line

NAME_LENGTH = 34
#: The ratio of greatest to least from which an axis is logarithmic.
WIDE = 100.0


def badness(number: float) -> float:
    """Return a difference as a sort key: NaN counts as infinity."""
    return math.inf if math.isnan(number) else number


def decades(low: float, high: float) -> list[float]:
    """Return at most six powers of ten between two numbers; the two numbers if there are none."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    step = max(1, -(-(last - first) // 5))
    return [10.0**n for n in range(first, last + 1, step)] or [low, high]


def mark(number: float) -> str:
    """Return the label of a tick mark."""
    return "0" if number == 0 else f"{number:.2g}"


def short_name(text: str, length: int = NAME_LENGTH) -> str:
    """Return a name on one line, cut to `length` characters."""
    line = one_line(text)
    return line if len(line) <= length else f"{line[: length - 1]}…"
