"""Scales and tick marks that several pictures share."""

from __future__ import annotations

import math

from layerlens.render.wording import one_line

NAME_LENGTH = 34
#: From this ratio of greatest to least on, a linear axis would hide the small ones.
WIDE = 100.0


def badness(number: float) -> float:
    """Return a difference to sort by: NaN is as bad as infinity."""
    return math.inf if math.isnan(number) else number


def decades(low: float, high: float) -> list[float]:
    """Return powers of ten between two numbers, six at most; the numbers where there are none."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    step = max(1, -(-(last - first) // 5))
    return [10.0**n for n in range(first, last + 1, step)] or [low, high]


def mark(number: float) -> str:
    return "0" if number == 0 else f"{number:.2g}"


def short_name(text: str) -> str:
    """Return a name in one line, cut where it would run out of its place."""
    line = one_line(text)
    return line if len(line) <= NAME_LENGTH else f"{line[: NAME_LENGTH - 1]}…"
