"""The number that somebody meant by a floating-point constant."""

from __future__ import annotations

from fractions import Fraction
from math import floor, isfinite

import numpy as np

#: The part of half a spacing, on either side, in which the fraction is looked for. Less than all of
#: it, so that no fraction belongs to two neighbours.
_REACH = Fraction(49, 50)


def simplest_fraction(number: float, dtype: np.dtype[np.floating]) -> Fraction:
    """Return the fraction of least denominator that rounds to a number in its dtype.

    0.1 in float32 and 0.1 in float64 are both 1/10; neighbours in one dtype are different.

    Raises:
        ValueError: the number is infinite or not a number.
    """
    if not isfinite(number):
        raise ValueError(f"{number} is no real number")
    if number == 0:
        return Fraction(0)
    exact = abs(Fraction(number))
    spacing = Fraction(float(np.spacing(np.array(abs(number), dtype))))
    least = exact - spacing / 2 * _REACH
    most = exact + spacing / 2 * _REACH
    found = _simplest_between(least, most)
    return found if number > 0 else -found


def _simplest_between(least: Fraction, most: Fraction) -> Fraction:
    """Return the fraction of least denominator in an interval (by continued fractions)."""
    whole: list[int] = []
    while True:
        below = floor(least)
        if below == least:
            found = Fraction(below)
            break
        if below + 1 <= most:
            found = Fraction(below + 1)
            break
        whole.append(below)
        least, most = 1 / (most - below), 1 / (least - below)
    for part in reversed(whole):
        found = part + 1 / found
    return found
