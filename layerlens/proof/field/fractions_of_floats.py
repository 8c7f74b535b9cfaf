"""The number that somebody meant by a floating-point constant."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor, isfinite

import numpy as np

#: The part of half a spacing, on either side, that is searched for the fraction. Less than all
#: of it, so that no fraction belongs to two neighbours.
_REACH = Fraction(49, 50)


def simplest_fraction(number: float, dtype: np.dtype[np.floating]) -> Fraction:
    """Return the number that takes fewest bits to write among those that round to a float.

    Written are fractions, decimals and integers times a power of two, which is what the float
    is. So 0.1 in float32 and 0.1 in float64 are both 1/10, 2^27 in float32 is 2^27 and none of the
    integers near it, and neighbours in one dtype are different.

    Raises:
        ValueError: the number is infinite or not a number.
    """
    if not isfinite(number):
        raise ValueError(f"{number} is not a real number")
    if number == 0:
        return Fraction(0)
    size = abs(number)
    exact = Fraction(size)
    candidates = [_in_binary(exact), _in_decimal(size, dtype), _as_a_fraction(exact, dtype)]
    found = min(candidates, key=lambda one: one.bits).number
    return found if number > 0 else -found


@dataclass(frozen=True, slots=True)
class _Written:
    """A number, and how many bits it takes to write it in some form."""

    number: Fraction
    bits: int


def _in_binary(exact: Fraction) -> _Written:
    """Return m·2^k, with an odd m."""
    above, below = exact.numerator, exact.denominator
    twos = (above & -above).bit_length() - 1
    power = twos or below.bit_length() - 1
    return _Written(exact, (above >> twos).bit_length() + power.bit_length())


def _in_decimal(size: float, dtype: np.dtype[np.floating]) -> _Written:
    """Return m·10^k, with the fewest digits that tell the float from its neighbours."""
    digits, _, power = np.format_float_scientific(dtype.type(size), trim="-").partition("e")
    whole, _, fraction = digits.partition(".")
    mantissa, exponent = int(whole + fraction), int(power) - len(fraction)
    bits = mantissa.bit_length() + abs(exponent).bit_length()
    return _Written(Fraction(mantissa) * Fraction(10) ** exponent, bits)


def _as_a_fraction(exact: Fraction, dtype: np.dtype[np.floating]) -> _Written:
    """Return the fraction of least denominator that rounds to the float."""
    size = dtype.type(float(exact))
    # Below a power of two neighbours are nearer than above it.
    below = exact - Fraction(float(np.nextafter(size, dtype.type(0))))
    least = exact - below / 2 * _REACH
    most = exact + Fraction(float(np.spacing(size))) / 2 * _REACH
    found = _simplest_between(least, most)
    return _Written(found, found.numerator.bit_length() + found.denominator.bit_length())


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
