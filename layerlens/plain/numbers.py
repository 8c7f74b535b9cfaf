"""Parse the numbers of a file within limits: integers of 64 bits, and finite floats.

No tensor, size or seed needs other numbers, and Python refuses to print an integer of more than
4,300 digits.
"""

from __future__ import annotations

import math
import re

LEAST = -(2**63)
GREATEST = 2**64 - 1

#: The longest axis: TensorFlow indexes with 32 bits in many places.
_LONGEST = 2**31 - 1
#: The most digits of a count. A kernel of ten axes of the greatest length has 190; a float, 308.
MOST_DIGITS = 300
#: The most characters of a number of 64 bits in any base, with a sign, without leading zeros.
_MOST_CHARACTERS = 22 + len("0x")

_RANGE = f"integers go from {LEAST} to {GREATEST}"
_ZEROS = re.compile(r"\A([-+]?)0+(?=[0-9])")


class NumberOutOfRangeError(ValueError):
    """A number exceeds the limits."""


def whole_number(text: str, base: int = 10) -> int:
    """Parse an integer; base 0 allows the prefixes `0x` and `0o`.

    Raises:
        NumberOutOfRangeError: it has more than 64 bits.
        ValueError: the text is not an integer.
    """
    digits = text.replace("_", "")
    digits = _ZEROS.sub(r"\1", digits) if base == 10 else _without_leading_zeros(digits)
    if len(digits) > _MOST_CHARACTERS:
        raise NumberOutOfRangeError(_too_large(text))
    value = int(digits, base)
    if not LEAST <= value <= GREATEST:
        raise NumberOutOfRangeError(_too_large(text))
    return value


def index_number(text: str) -> int:
    """Parse an integer that is an index along an axis.

    Raises:
        NumberOutOfRangeError: it is beyond the longest axis.
        ValueError: the text is not an integer.
    """
    value = whole_number(text)
    if abs(value) > _LONGEST:
        raise NumberOutOfRangeError(
            f"{_shortened(text)} is too large; an axis has at most {_LONGEST} places"
        )
    return value


def count_number(text: str) -> int:
    """Parse an integer of a report, which may have more than 64 bits: a product of sizes.

    Raises:
        NumberOutOfRangeError: it has more than `MOST_DIGITS` digits.
        ValueError: the text is not an integer.
    """
    if len(text) > MOST_DIGITS:
        raise NumberOutOfRangeError(
            f"{_shortened(text)} is too large; a count has at most {MOST_DIGITS:,} digits"
        )
    return int(text)


def decimal_number(text: str) -> float:
    """Parse a float.

    Raises:
        NumberOutOfRangeError: it is beyond the range of float64.
        ValueError: the text is not a number.
    """
    value = float(text)
    if math.isinf(value) and "inf" not in text.lower():
        raise NumberOutOfRangeError(
            f"{_shortened(text)} is beyond the range of float64, which ends at 1.8e308"
        )
    return value


def check_whole_number(value: int) -> None:
    """Raise NumberOutOfRangeError if an integer has more than 64 bits."""
    if not LEAST <= value <= GREATEST:
        raise NumberOutOfRangeError(
            f"an integer of {value.bit_length():,} bits is too large; {_RANGE}"
        )


def _without_leading_zeros(digits: str) -> str:
    """Return a number that has a prefix without leading zeros; `0x00` becomes `0x0`."""
    return digits[:2] + (digits[2:].lstrip("0") or digits[2:3])


def _too_large(text: str) -> str:
    return f"{_shortened(text)} is too large; {_RANGE}"


def _shortened(text: str) -> str:
    if len(text) <= 40:
        return text
    return f"{text[:20]}… (a number of {len(text):,} characters)"
