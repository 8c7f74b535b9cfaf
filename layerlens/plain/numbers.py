"""The numbers that a file may hold: whole numbers of 64 bits, and floats that are finite.

Beyond that no tensor, size or seed has a use for a number, and Python itself refuses to print a
whole number of more than 4,300 digits.
"""

from __future__ import annotations

import math
import re

LEAST = -(2**63)
GREATEST = 2**64 - 1

#: No axis is longer: TensorFlow indexes with 32 bits in many places.
_LONGEST = 2**31 - 1
#: A kernel of ten axes, each as long as it can be, has 190 digits; floats end at 308.
MOST_DIGITS = 300
#: No number of 64 bits has so many characters, in any base, signs and zeros in front left out.
_MOST_CHARACTERS = 22 + len("0x")

_RANGE = f"whole numbers go from {LEAST} to {GREATEST}"
_ZEROS = re.compile(r"\A([-+]?)0+(?=[0-9])")


class NumberOutOfRangeError(ValueError):
    """A number that is too large to be one of a file; its text says so."""


def whole_number(text: str, base: int = 10) -> int:
    """Return the whole number that a text writes; base 0 takes the prefixes `0x` and `0o`.

    Raises:
        NumberOutOfRangeError: it has more than 64 bits.
        ValueError: the text writes no whole number.
    """
    digits = text.replace("_", "")
    digits = _ZEROS.sub(r"\1", digits) if base == 10 else _without_zeros(digits)
    if len(digits) > _MOST_CHARACTERS:
        raise NumberOutOfRangeError(_too_large(text))
    value = int(digits, base)
    if not LEAST <= value <= GREATEST:
        raise NumberOutOfRangeError(_too_large(text))
    return value


def index_number(text: str) -> int:
    """Return the whole number that a text writes, where it can be a place along an axis.

    Raises:
        NumberOutOfRangeError: no axis has a place of such a number.
        ValueError: the text writes no whole number.
    """
    value = whole_number(text)
    if abs(value) > _LONGEST:
        raise NumberOutOfRangeError(
            f"{_cut(text)} is too large; an axis has at most {_LONGEST} places"
        )
    return value


def count_number(text: str) -> int:
    """Return the whole number that a report writes: a product of sizes goes beyond 64 bits.

    Raises:
        NumberOutOfRangeError: it has more digits than any count.
        ValueError: the text writes no whole number.
    """
    if len(text) > MOST_DIGITS:
        raise NumberOutOfRangeError(
            f"{_cut(text)} is too large; a count has at most {MOST_DIGITS:,} digits"
        )
    return int(text)


def decimal_number(text: str) -> float:
    """Return the float that a text writes.

    Raises:
        NumberOutOfRangeError: float64 has no number so large.
        ValueError: the text writes no number.
    """
    value = float(text)
    if math.isinf(value) and "inf" not in text.lower():
        raise NumberOutOfRangeError(
            f"{_cut(text)} is beyond the range of float64, which ends at 1.8e308"
        )
    return value


def check_whole_number(value: int) -> None:
    """Raise NumberOutOfRangeError where a whole number has more than 64 bits."""
    if not LEAST <= value <= GREATEST:
        raise NumberOutOfRangeError(
            f"a whole number of {value.bit_length():,} bits is too large; {_RANGE}"
        )


def _without_zeros(digits: str) -> str:
    """Return a number with a prefix without the zeros in front, but for one that is all of it."""
    return digits[:2] + (digits[2:].lstrip("0") or digits[2:3])


def _too_large(text: str) -> str:
    return f"{_cut(text)} is too large; {_RANGE}"


def _cut(text: str) -> str:
    if len(text) <= 40:
        return text
    return f"{text[:20]}… (a number of {len(text):,} characters)"
