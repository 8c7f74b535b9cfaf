"""Arithmetic on values: what real numbers do, and nothing else.

Each method states an identity of real arithmetic; so equal results mean equal functions, wherever
both are defined. Where that is not everywhere, the argument that decides it is noted: both models
must note the same for each element.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.definedness import Definedness
from layerlens.proof.field.fractions_of_floats import simplest_fraction
from layerlens.proof.field.growth import NOTHING, Growth
from layerlens.proof.field.residues import Field, Residues
from layerlens.proof.field.value import CannotProveError, Value, joined_spread
from layerlens.proof.limits import Limits, limits_of_whole

#: More terms than this in one sum of products are not exact in float64.
MOST_TERMS = 2**17
#: Residues of so many elements are multiplied at once, which is faster for small arrays.
MOST_AT_ONCE = 2**14
#: So many products of a sum cost as much as another element.
PRODUCTS_PER_ELEMENT = 100
#: The lesser half of a residue has this many bits.
_HALF_BITS = 16
_HALF = 2**_HALF_BITS - 1

ZERO, ONE = Fraction(0), Fraction(1)

#: Takes and returns float64 arrays; each element is a sum of products of one of each.
Bilinear = Callable[[NDArray[np.float64], NDArray[np.float64]], Any]


@dataclass
class Arithmetic:
    """The values of one proof, and what its error bound rests on."""

    field: Field
    limits: Limits = dataclasses.field(default_factory=limits_of_whole)
    #: The conditions under which elements are defined.
    definedness: Definedness = dataclasses.field(default_factory=Definedness)
    #: Elements computed so far.
    computed: int = 0
    #: Elements that an unknown function was asked for, or that were compared.
    evaluations: int = 0
    #: Bounds all of them.
    worst: Growth = NOTHING
    #: Sentences about what was taken for granted.
    assumptions: set[str] = dataclasses.field(default_factory=set)

    # --- values -----------------------------------------------------------------------------------

    def residues(self, value: Value) -> Residues:
        """Return a value's residues; of a constant, of the simplest fractions that round to it.

        Raises:
            CannotProveError: an infinite constant, or a text.
        """
        if value.residues is not None:
            return value.residues
        array = value.array("a value")
        if value.kind == "text":
            raise CannotProveError("it computes with strings")
        if value.kind == "float":
            self._take_floats(value, array)
        else:
            value.residues = self.field.of_integers(array)
            if array.size:
                value.low, value.high = Fraction(int(array.min())), Fraction(int(array.max()))
                largest = max(abs(value.low), abs(value.high), ONE)
                value.growth = Growth(0.0, float(largest.numerator.bit_length()))
        assert value.residues is not None
        return value.residues

    def _take_floats(self, value: Value, array: NDArray[Any]) -> None:
        distinct, where = np.unique(array, return_inverse=True)
        try:
            numbers = [simplest_fraction(float(one), array.dtype) for one in distinct]
        except ValueError:
            raise CannotProveError("a constant is infinite or not a number") from None
        value.residues = self.field.of_each(numbers, where.reshape(array.shape).astype(np.int64))
        if numbers:
            value.low, value.high = min(numbers), max(numbers)
            bits = max(one.numerator.bit_length() for one in numbers)
            below = lcm(*(one.denominator for one in numbers)).bit_length()
            value.growth = Growth(0.0, float(bits + below), 0.0, float(below))

    def number(self, number: Fraction | int) -> Value:
        """Return a scalar that is exactly a fraction."""
        exact = Fraction(number)
        residues = np.array(self.field.of(exact), np.int64)
        bits = float(exact.numerator.bit_length()), float(exact.denominator.bit_length())
        growth = Growth(0.0, bits[0], 0.0, bits[1])
        return Value((), "float", residues, low=exact, high=exact, growth=growth)

    def made(self, residues: Residues, **known: Any) -> Value:
        """Return a value of residues.

        Raises:
            CannotProveError: it is too large.
        """
        size = int(residues[0].size)
        self._work(size)
        if size > self.limits.elements:
            raise CannotProveError(f"an array has {size:,} elements")
        return Value(residues.shape[1:], known.pop("kind", "float"), residues, **known)

    def like(self, one: Value, residues: Residues, **other: Any) -> Value:
        """Return a value of other residues of which the same is known, but for `other`."""
        known = {
            "kind": one.kind,
            "low": one.low,
            "high": one.high,
            "positive": one.positive,
            "growth": one.growth,
            "spread": one.spread,
        }
        return self.made(residues, **known | other)

    # --- rational functions -----------------------------------------------------------------------

    def add(self, one: Value, other: Value) -> Value:
        """Return the sum."""
        residues = self.field.add(self.residues(one), self.residues(other))
        low = None if one.low is None or other.low is None else one.low + other.low
        high = None if one.high is None or other.high is None else one.high + other.high
        positive = (one.is_positive and other.is_nonnegative) or (
            other.is_positive and one.is_nonnegative
        )
        return self.made(
            residues,
            low=low,
            high=high,
            positive=positive,
            growth=one.growth.plus(other.growth),
            spread=joined_spread(one, other),
        )

    def negate(self, one: Value) -> Value:
        """Return the additive inverse."""
        residues = self.field.negative(self.residues(one))
        low = None if one.high is None else -one.high
        high = None if one.low is None else -one.low
        return self.made(residues, low=low, high=high, growth=one.growth, spread=one.spread)

    def subtract(self, one: Value, other: Value) -> Value:
        """Return the difference."""
        return self.add(one, self.negate(other))

    def multiply(self, one: Value, other: Value) -> Value:
        """Return the elementwise product; of a value with itself a square."""
        residues = self.field.multiply(self.residues(one), self.residues(other))
        low, high = _bounds_of_product(one, other)
        return self.made(
            residues,
            low=low,
            high=high,
            positive=one.is_positive and other.is_positive,
            growth=one.growth.times(other.growth),
            spread=joined_spread(one, other),
        )

    def square(self, one: Value) -> Value:
        """Return the square."""
        return self.multiply(one, one)

    def reciprocal(self, one: Value, *, of_zero: bool = False) -> Value:
        """Return 1 / x; that x is not zero is noted where its range does not say so.

        Args:
            of_zero: where x is always zero, so is what is multiplied with the result.

        Raises:
            CannotProveError: it divides by zero.
        """
        residues = self.residues(one)
        is_known = one.constant is not None and bool(np.all(one.constant))
        if not (one.is_positive or one.is_negative or is_known):
            self.note("is not zero", residues, one.growth)
        zero = self.field.is_zero(residues)
        if zero.any() and not of_zero:
            raise CannotProveError("it divides by zero")
        inverse = np.where(zero, 0, self.field.reciprocal(np.where(zero, 1, residues)))
        low = high = None
        if one.low is not None and one.low > 0:
            high = 1 / one.low
            low = 1 / one.high if one.high is not None else ZERO
        elif one.is_positive:
            low = ZERO
        return self.made(
            inverse,
            low=low,
            high=high,
            positive=one.is_positive,
            growth=one.growth.inverted(),
            spread=frozenset(axis - one.rank for axis, n in enumerate(one.shape) if n > 1),
        )

    def divide(self, one: Value, other: Value) -> Value:
        """Return the quotient."""
        never = self.field.is_zero(self.residues(other))
        # 0/0 is never defined, as is noted; x/0 is infinite, and may be of either sign.
        of_zero = not (never & ~self.field.is_zero(self.residues(one))).any()
        return self.multiply(one, self.reciprocal(other, of_zero=of_zero))

    def total(self, one: Value, axes: Sequence[int], *, keepdims: bool) -> Value:
        """Return the sum over some axes, counted from the first as 0."""
        residues = self.residues(one)
        if not axes:
            return one
        places = tuple(axis + 1 for axis in axes)
        terms = int(np.prod([one.shape[axis] for axis in axes]))
        added = self.field.reduced(residues.sum(axis=places, keepdims=keepdims))
        shared = one.spread is not None and not {axis - one.rank for axis in axes} & one.spread
        return self.made(
            added,
            low=None if one.low is None else one.low * terms,
            high=None if one.high is None else one.high * terms,
            positive=one.is_positive and terms > 0,
            growth=one.growth.summed(terms, shared=shared),
            spread=_reduced_spread(one, axes, keepdims=keepdims),
        )

    def mean(self, one: Value, axes: Sequence[int], *, keepdims: bool) -> Value:
        """Return the mean over some axes, counted from the first as 0."""
        count = int(np.prod([one.shape[axis] for axis in axes])) if axes else 1
        if count == 0:
            raise CannotProveError("it takes the mean of no elements")
        found = self.multiply(
            self.total(one, axes, keepdims=keepdims), self.number(Fraction(1, count))
        )
        found.low, found.high, found.positive = one.low, one.high, one.is_positive
        return found

    def product(self, one: Value, axes: Sequence[int], *, keepdims: bool) -> Value:
        """Return the product over some axes, counted from the first as 0."""
        residues, growth = self.residues(one), one.growth
        for axis in sorted(axes, reverse=True):
            rows = np.moveaxis(residues, axis + 1, 0)
            found = np.ones_like(rows[0]) if len(rows) == 0 else rows[0]
            for row in rows[1:]:
                found = self.field.multiply(found, row)
            for _ in rows[1:]:
                growth = growth.times(one.growth)
            residues = np.expand_dims(found, axis + 1) if keepdims else found
        return self.made(residues, growth=growth, spread=None)

    def sums_of_products(
        self,
        function: Bilinear,
        one: Value,
        other: Value,
        terms: int,
        *,
        shared: bool = False,
        spread: frozenset[int] | None = None,
    ) -> Value:
        """Return a function of two arrays whose elements are sums of at most `terms` products.

        The function runs in float64 on halves of 16 bits: every sum is below 2^53, and so exact.
        """
        if terms > MOST_TERMS:
            raise CannotProveError(f"a sum has {terms:,} products")
        first, second = self.residues(one), self.residues(other)
        rows: list[Residues] = []
        step = max(1, MOST_AT_ONCE // max(first[0].size, second[0].size, 1))
        for start in range(0, len(self.field.primes), step):
            some = slice(start, start + step)
            rows.extend(_exact_sums(function, first[some], second[some], self.field.primes[some]))
            if start == 0:
                self._work(rows[0].size * (terms // PRODUCTS_PER_ELEMENT))
        growth = one.growth.times(other.growth).summed(terms, shared=shared)
        return self.made(np.stack(rows), growth=growth, spread=spread)

    # --- bookkeeping ------------------------------------------------------------------------------

    def compare(self, one: Value, other: Value) -> bool:
        """Return whether two values of one shape are the same expression."""
        first, second = self.residues(one), self.residues(other)
        self.evaluate(first, one.growth.joined(other.growth))
        return self.field.is_same(first, second)

    def evaluate(self, residues: Residues, growth: Growth) -> None:
        self.evaluations += int(residues[0].size)
        self.worst = self.worst.joined(growth)

    def _work(self, elements: int) -> None:
        self.computed += elements
        if self.computed > self.limits.computed:
            raise CannotProveError(f"it computes more than {self.limits.computed:,} elements")

    def note(self, what: str, residues: Residues, growth: Growth) -> None:
        self.evaluate(residues, growth)
        self.definedness.note(what, self.field.fingerprints(residues, what))

    def broadcast(self, value: Value, shape: tuple[int, ...]) -> Residues:
        residues = self.residues(value)
        rank = len(shape)
        residues = residues.reshape(len(residues), *(1,) * (rank - value.rank), *value.shape)
        return np.ascontiguousarray(np.broadcast_to(residues, (len(residues), *shape)))


def _exact_sums(
    function: Bilinear, one: Residues, other: Residues, primes: Sequence[int]
) -> Residues:
    """Return the function of two arrays of residues modulo some primes (Karatsuba, by halves)."""
    high, low = (one >> _HALF_BITS).astype(np.float64), (one & _HALF).astype(np.float64)
    above, below = (other >> _HALF_BITS).astype(np.float64), (other & _HALF).astype(np.float64)

    def applied(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.asarray(function(*pair)) for pair in zip(mine, theirs, strict=True)])

    highs, lows = applied(high, above), applied(low, below)
    mixed = applied(high + low, above + below) - highs - lows
    moduli = np.array(primes, np.int64).reshape(-1, *(1,) * (highs.ndim - 1))
    first, second, third = (part.astype(np.int64) % moduli for part in (highs, mixed, lows))
    shifted = (first * (_HALF + 1) + second) % moduli
    return np.asarray((shifted * (_HALF + 1) + third) % moduli)


def _bounds_of_product(one: Value, other: Value) -> tuple[Fraction | None, Fraction | None]:
    if one is other:
        if one.low is None or one.high is None:
            return ZERO, None
        ends = one.low * one.low, one.high * one.high
        return (min(ends) if one.low > 0 or one.high < 0 else ZERO), max(ends)
    if not (one.low is None or one.high is None or other.low is None or other.high is None):
        products = [a * b for a in (one.low, one.high) for b in (other.low, other.high)]
        return min(products), max(products)
    if one.is_nonnegative and other.is_nonnegative:
        return ZERO, None
    for factor, low, high in ((one, other.low, other.high), (other, one.low, one.high)):
        number = factor.low
        if number is not None and number == factor.high:
            least_end = None if low is None else number * low
            greatest_end = None if high is None else number * high
            return (least_end, greatest_end) if number >= 0 else (greatest_end, least_end)
    return None, None


def _reduced_spread(one: Value, axes: Sequence[int], *, keepdims: bool) -> frozenset[int] | None:
    if one.spread is None:
        if not keepdims:
            return None
        return frozenset(range(-one.rank, 0)) - {axis - one.rank for axis in axes}
    gone = {axis - one.rank for axis in axes}
    left = one.spread - gone
    if keepdims:
        return left
    return frozenset(axis + sum(other > axis for other in gone) for axis in left)
