"""An array as it stands in a proof: residues, or a constant, and what is known of its range."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.growth import VARIABLE, Growth
from layerlens.proof.field.residues import Residues

ValueKind = Literal["float", "int", "bool", "text"]

#: Bounds with more bits than this are dropped: exact ones would grow for ever.
_MOST_BITS = 400
_NUMBER_KINDS: dict[str, ValueKind] = {"f": "float", "i": "int", "u": "int", "b": "bool"}


class CannotProveError(Exception):
    """Nothing can be said of two models; the message says what stands in the way."""


@dataclass(slots=True)
class Value:
    """An array of a shape. `residues` have one more axis in front, for the primes.

    A value with a `constant` is the same for all inputs and weights. The constant of a float is
    what TensorFlow computes; where there are residues too, they are exact.
    """

    shape: tuple[int, ...]
    kind: ValueKind
    residues: Residues | None = None
    constant: NDArray[Any] | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    #: Whether these are integers, none rounded, in a floating dtype.
    holds_whole: bool = False
    #: Greater than zero everywhere.
    positive: bool = False
    growth: Growth = VARIABLE
    #: The axes, counted from the last one as -1, along which denominators differ; None: all.
    spread: frozenset[int] | None = frozenset()
    #: Of truth values: whether any of them holds along the last axis, where that is known.
    any_along_last: NDArray[np.bool_] | None = None
    #: The conditions under which each element is defined; None: it always is.
    needs: NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        self.shape = tuple(int(n) for n in self.shape)
        self.low, self.high = _short(self.low), _short(self.high)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_positive(self) -> bool:
        """Whether every element is known to be greater than zero."""
        return self.positive or (self.low is not None and self.low > 0)

    @property
    def is_nonnegative(self) -> bool:
        """Whether every element is known to be at least zero."""
        return self.positive or (self.low is not None and self.low >= 0)

    @property
    def is_negative(self) -> bool:
        """Whether every element is known to be less than zero."""
        return self.high is not None and self.high < 0

    def array(self, purpose: str) -> NDArray[Any]:
        """Return the constant.

        Raises:
            CannotProveError: the value depends on inputs or weights.
        """
        if self.constant is None:
            raise CannotProveError(f"{purpose} depends on data")
        return self.constant

    def whole(self, purpose: str) -> int:
        """Return the one integer of a constant."""
        return int(self.array(purpose).reshape(()))


def constant(array: NDArray[Any]) -> Value:
    """Return an array that is the same for all inputs and weights.

    Raises:
        CannotProveError: it is of half precision, or of a dtype that is not a real number.
    """
    array = np.asarray(array)
    if array.dtype.kind in "SUO":
        return Value(array.shape, "text", constant=array)
    kind = _NUMBER_KINDS.get(array.dtype.kind)
    if kind is None or (kind == "float" and array.dtype.itemsize < 4):
        raise CannotProveError(f"it computes in {array.dtype.name}")
    return Value(array.shape, kind, constant=array)


def _short(bound: Fraction | None) -> Fraction | None:
    if bound is None:
        return None
    bits = max(bound.numerator.bit_length(), bound.denominator.bit_length())
    return bound if bits <= _MOST_BITS else None


def least(*bounds: Fraction | None) -> Fraction | None:
    """Return the least of some bounds; None where one is unknown."""
    known = [bound for bound in bounds if bound is not None]
    return min(known) if len(known) == len(bounds) else None


def greatest(*bounds: Fraction | None) -> Fraction | None:
    """Return the greatest of some bounds; None where one is unknown."""
    known = [bound for bound in bounds if bound is not None]
    return max(known) if len(known) == len(bounds) else None


def joined_spread(*values: Value) -> frozenset[int] | None:
    """Return the axes along which the denominators of several values, broadcast, differ."""
    axes: set[int] = set()
    for value in values:
        if value.spread is None:
            return None
        axes |= value.spread
    return frozenset(axes)
