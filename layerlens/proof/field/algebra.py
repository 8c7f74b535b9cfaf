"""Arithmetic on values: what real numbers do, and nothing else.

Each method states an identity of real arithmetic or gives an unknown function's value; so equal
results mean equal functions, wherever both are defined. Where that is not everywhere, the argument
that decides it is noted: both models must note the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.fractions_of_floats import simplest_fraction
from layerlens.proof.field.growth import NOTHING, VARIABLE, Growth
from layerlens.proof.field.maxima import Maxima, without_sign
from layerlens.proof.field.residues import COLLISION, Field, Residues
from layerlens.proof.field.value import CannotProveError, Value, greatest, joined_spread, least

#: More terms than this in one sum of products are not exact in float64.
MOST_TERMS = 2**17
#: An array of more elements is refused.
MOST_ELEMENTS = 4_000_000
#: Graphs that compute more elements at one size take longer to prove than to probe. So many
#: products of a sum cost as much as another element.
MOST_COMPUTED, PRODUCTS_PER_ELEMENT = 20_000_000, 100
#: The lesser half of a residue has this many bits.
_HALF_BITS = 16
_HALF = 2**_HALF_BITS - 1

ZERO, ONE = Fraction(0), Fraction(1)

#: Takes and returns float64 arrays; each element is a sum of products of one of each.
Bilinear = Callable[[NDArray[np.float64], NDArray[np.float64]], Any]


@dataclass(frozen=True, slots=True)
class Given:
    """An input of the models, and which of its steps are masked."""

    residues: Residues
    #: By a number: which steps are wholly that number; of every other step it is taken that some
    #: element is another. Empty where nothing is taken. A step of whole numbers is one element, a
    #: step of other numbers all that differ in the last axis alone.
    wholly: Mapping[Fraction, NDArray[np.bool_]]


@dataclass
class Algebra:
    """The values of one proof: a field, the maxima in it, and what its error bound rests on."""

    field: Field
    #: Whether a softmax is taken of the distances of its elements to the first one. It is the same,
    #: and then the same expression where something is added to all elements.
    by_distances: bool = False
    maxima: Maxima = dataclasses.field(init=False)
    #: Conditions under which the model being run is defined: what must hold, and of which element.
    conditions: set[tuple[str, int, int]] = dataclasses.field(default_factory=set)
    #: Elements computed so far.
    computed: int = 0
    #: Elements that an unknown function was asked for, or that were compared.
    evaluations: int = 0
    #: Bounds all of them.
    worst: Growth = NOTHING
    #: The inputs of the models.
    inputs: list[Given] = dataclasses.field(default_factory=list)
    #: Which inputs were held against which numbers.
    tested: set[tuple[int, Fraction]] = dataclasses.field(default_factory=set)
    #: Sentences about what was taken for granted.
    assumptions: set[str] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        self.maxima = Maxima(self.field)

    @property
    def error_bound(self) -> float:
        """The chance that two different expressions were taken for one, at most.

        Each pair of evaluated elements may be mistaken for equal, by their residues modulo all
        primes or by their fingerprints.
        """
        agree = min(1.0, self.worst.chance()) ** len(self.field.primes) + COLLISION
        return float(self.evaluations) ** 2 * agree

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
            raise CannotProveError("it computes with texts")
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
        if size > MOST_ELEMENTS:
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

    def reciprocal(self, one: Value) -> Value:
        """Return 1 / x; that x is not zero is noted where its range does not say so."""
        residues = self.residues(one)
        if not (one.is_positive or one.is_negative):
            self._note("is not zero", residues, one.growth)
        try:
            inverse = self.field.reciprocal(residues)
        except ZeroDivisionError:
            raise CannotProveError("it divides by zero") from None
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
        return self.multiply(one, self.reciprocal(other))

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
            raise CannotProveError("a mean is taken over nothing")
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
        rows = []
        for row, prime in enumerate(self.field.primes):
            rows.append(_exact_sums(function, first[row], second[row], prime))
            if row == 0:
                self._work(rows[0].size * (terms // PRODUCTS_PER_ELEMENT))
        growth = one.growth.times(other.growth).summed(terms, shared=shared)
        return self.made(np.stack(rows), growth=growth, spread=spread)

    # --- unknown functions ------------------------------------------------------------------------

    def function(
        self,
        name: str,
        one: Value,
        *,
        low: Fraction | None = None,
        high: Fraction | None = None,
        at_zero: Fraction | None = None,
        odd: bool = False,
        even: bool = False,
        increasing: bool = False,
        positive: bool = False,
    ) -> Value:
        """Return a function of which no more is known than what is said here.

        `at_zero` is its value at 0; odd and even functions depend on the argument without its sign.
        """
        residues = self.residues(one)
        self._evaluate(residues, one.growth)

        def at(given: Residues) -> Residues:
            signless, flipped = without_sign(self.field, given)
            found = self.field.hashed(name, signless if odd or even else given)
            if odd:
                found = np.where(flipped, self.field.negative(found), found)
            if at_zero is not None:
                value = np.array(self.field.of(at_zero), np.int64)
                zero = self.field.is_zero(given)
                found = np.where(zero, value.reshape(-1, *(1,) * (given.ndim - 1)), found)
            return found

        found = at(residues)
        if increasing:
            flat = residues.reshape(len(residues), -1)
            found = self.maxima.through(flat, found.reshape(flat.shape), at).reshape(found.shape)
        return self.made(found, low=low, high=high, positive=positive)

    def exp(self, one: Value) -> Value:
        """Return e^x: positive, increasing, and 1 at 0."""
        return self.function(
            "exp",
            one,
            low=ONE if one.is_nonnegative else ZERO,
            high=ONE if one.high is not None and one.high <= 0 else None,
            at_zero=ONE,
            increasing=True,
            positive=True,
        )

    def tanh(self, one: Value) -> Value:
        """Return tanh x: odd, increasing, between -1 and 1."""
        return self.function(
            "tanh", one, low=-ONE, high=ONE, at_zero=ZERO, odd=True, increasing=True
        )

    def sigmoid(self, one: Value) -> Value:
        """Return 1 / (1 + e^-x), which is 1/2 + tanh(x / 2) / 2."""
        half = self.number(Fraction(1, 2))
        found = self.multiply(self.add(self.tanh(self.multiply(one, half)), self.number(1)), half)
        found.low, found.high = ZERO, ONE
        return found

    def log(self, one: Value) -> Value:
        """Return the natural logarithm; that its argument is positive is noted unless known."""
        residues = self.residues(one)
        if not one.is_positive:
            self._note("is positive", residues, one.growth)
        low = ZERO if one.low is not None and one.low >= 1 else None
        found = self.function("log", one, low=low, increasing=True)
        ones = self.field.is_number(residues, ONE)
        found.residues = np.where(ones, 0, self.residues(found))
        return found

    def sqrt(self, one: Value) -> Value:
        """Return the square root; that its argument is not negative is noted unless known."""
        residues = self.residues(one)
        if not one.is_nonnegative:
            self._note("is not negative", residues, one.growth)
        exact = self._exact_root(one)
        if exact is not None:
            return exact
        found = self.function("sqrt", one, low=ZERO, at_zero=ZERO, increasing=True)
        found.positive = one.is_positive
        found.spread = frozenset()
        return found

    def _exact_root(self, one: Value) -> Value | None:
        number = one.low
        if number is None or number != one.high:
            return None
        above, below = isqrt(number.numerator), isqrt(number.denominator)
        if above * above != number.numerator or below * below != number.denominator:
            return None
        root = self.number(Fraction(above, below))
        shaped = np.broadcast_to(
            self.residues(root).reshape(-1, *(1,) * one.rank),
            (len(self.field.primes), *one.shape),
        )
        return self.made(shaped, low=root.low, high=root.high, growth=root.growth)

    def rsqrt(self, one: Value) -> Value:
        """Return 1 / sqrt x."""
        return self.reciprocal(self.sqrt(one))

    # --- maxima -----------------------------------------------------------------------------------

    def maximum(self, one: Value, other: Value) -> Value:
        """Return the elementwise maximum."""
        shape = np.broadcast_shapes(one.shape, other.shape)
        first, second = (self._broadcast(value, shape) for value in (one, other))
        low = max((b for b in (one.low, other.low) if b is not None), default=None)
        for value, residues, rest in ((one, first, other), (other, second, one)):
            if value.low is not None and rest.high is not None and value.low >= rest.high:
                return self.made(
                    residues,
                    low=value.low,
                    high=value.high,
                    growth=value.growth,
                    spread=value.spread,
                )
        growth = _of_a_maximum(one.growth, other.growth)
        self._evaluate(first, growth)
        flat = (len(first), -1)
        found = self.maxima.of_two(first.reshape(flat), second.reshape(flat))
        return self.made(
            found.reshape(first.shape),
            low=low,
            high=greatest(one.high, other.high),
            growth=growth,
            spread=joined_spread(one, other),
        )

    def minimum(self, one: Value, other: Value) -> Value:
        """Return the elementwise minimum: -max(-a, -b)."""
        return self.negate(self.maximum(self.negate(one), self.negate(other)))

    def relu(self, one: Value) -> Value:
        """Return max(x, 0)."""
        self.residues(one)
        return one if one.is_nonnegative else self.maximum(one, self.number(0))

    def absolute(self, one: Value) -> Value:
        """Return |x|, which is max(x, -x)."""
        self.residues(one)
        if one.is_nonnegative:
            return one
        found = self.maximum(one, self.negate(one))
        found.low = ZERO
        return found

    def greatest_of_rows(self, one: Value, rows: Residues) -> Value:
        """Return maxima over the last axis of residues that were taken from a value."""
        if not rows.size:
            raise CannotProveError("a maximum is taken over nothing")
        self._evaluate(rows, one.growth)
        flat = rows.reshape(len(rows), -1, rows.shape[-1])
        found = self.maxima.of_each_row(flat).reshape(rows.shape[:-1])
        growth = _of_a_maximum(one.growth, one.growth) if rows.shape[-1] == 2 else VARIABLE
        growth = growth.joined(one.growth)
        return self.made(found, low=one.low, high=one.high, growth=growth, spread=None)

    # --- comparisons ------------------------------------------------------------------------------

    def is_greater(self, one: Value, other: Value) -> Value:
        """Return whether a > b: decided by ranges, or an unknown truth value of a - b."""
        shape = np.broadcast_shapes(one.shape, other.shape)
        self.residues(one), self.residues(other)
        if one.low is not None and other.high is not None and one.low > other.high:
            return Value(shape, "bool", constant=np.ones(shape, bool))
        if one.high is not None and other.low is not None and one.high <= other.low:
            return Value(shape, "bool", constant=np.zeros(shape, bool))
        difference = self.subtract(one, other)
        residues = self.residues(difference)
        self._evaluate(residues, difference.growth)
        found = self.field.hashed("is greater than zero", residues)
        found = np.where(self.field.is_zero(residues), 0, found)
        return self.made(found, kind="bool", low=ZERO, high=ONE)

    def is_other(self, one: Value, other: Value) -> Value:
        """Return whether a and b differ: decided by ranges, or an unknown truth value of a - b.

        Where `one` is an input whose steps are known to be a number or not, that decides.
        """
        shape = np.broadcast_shapes(one.shape, other.shape)
        self.residues(one), self.residues(other)
        difference = self.subtract(one, other)
        if difference.is_positive or difference.is_negative:
            return Value(shape, "bool", constant=np.ones(shape, bool))
        residues = self.residues(difference)
        self._evaluate(residues, difference.growth)
        signless, _ = without_sign(self.field, residues)
        found = self.field.hashed("is not zero", signless)
        found = np.where(self.field.is_zero(residues), 0, found)
        made = self.made(found, kind="bool", low=ZERO, high=ONE)
        known = self._known_to_differ(one, other) if shape == one.shape else None
        if known is not None and known.shape == shape:
            made.residues = self.field.of_integers(known)
        elif known is not None and known.shape == shape[:-1]:
            made.any_along_last = known
        return made

    def _known_to_differ(self, one: Value, other: Value) -> NDArray[np.bool_] | None:
        """Return which steps of an input are not wholly a number, where that is known."""
        number, residues = other.low, self.residues(one)
        if number is None or number != other.high:
            return None
        for index, given in enumerate(self.inputs):
            if np.array_equal(given.residues, residues):
                self.tested.add((index, number))
                wholly = given.wholly.get(number)
                return None if wholly is None else ~wholly
        return None

    def any_of(self, one: Value, axes: Sequence[int], *, keepdims: bool) -> Value:
        """Return whether any truth value over some axes holds: 1 - (1 - a) (1 - b) ..."""
        if one.any_along_last is not None and list(axes) == [one.rank - 1]:
            known = one.any_along_last
            known = known[..., None] if keepdims else known
            found = self.field.of_integers(known)
            return self.made(found, kind="bool", low=ZERO, high=ONE)
        return self.invert(self.all_of(self.invert(one), axes, keepdims=keepdims))

    def all_of(self, one: Value, axes: Sequence[int], *, keepdims: bool) -> Value:
        """Return whether all truth values over some axes hold: their product."""
        found = self.product(one, axes, keepdims=keepdims)
        found.kind, found.low, found.high = "bool", ZERO, ONE
        return found

    def invert(self, one: Value) -> Value:
        """Return the negation of a truth value."""
        if one.constant is not None:
            return Value(one.shape, "bool", constant=~one.constant)
        residues = self.residues(one)
        found = self.field.complement(residues)
        return self.made(
            found, kind="bool", low=ZERO, high=ONE, growth=one.growth, spread=one.spread
        )

    def both(self, one: Value, other: Value) -> Value:
        """Return the conjunction of truth values: a product, in which a and a is a."""
        shape = np.broadcast_shapes(one.shape, other.shape)
        first, second = (self._broadcast(value, shape) for value in (one, other))
        found = np.where((first == second).all(axis=0), first, self.field.multiply(first, second))
        growth = one.growth.times(other.growth)
        self._evaluate(first, growth)
        return self.made(found, kind="bool", low=ZERO, high=ONE, growth=growth, spread=None)

    def choose(self, condition: Value, one: Value, other: Value) -> Value:
        """Return `one` where the condition holds and `other` elsewhere: b + c (a - b)."""
        if one.kind != other.kind:
            raise CannotProveError("a selection between dtypes")
        if condition.constant is not None and condition.size:
            if condition.constant.all():
                return self._spread_to(one, condition, other)
            if not condition.constant.any():
                return self._spread_to(other, condition, one)
        low, high = least(one.low, other.low), greatest(one.high, other.high)
        if condition.constant is None:
            found = self.add(other, self.multiply(condition, self.subtract(one, other)))
        else:
            shape = np.broadcast_shapes(condition.shape, one.shape, other.shape)
            first, second = (self._broadcast(value, shape) for value in (one, other))
            growth = one.growth.joined(other.growth)
            found = self.made(
                np.where(condition.constant, first, second), growth=growth, spread=None
            )
        found.kind, found.low, found.high = one.kind, low, high
        found.positive = one.is_positive and other.is_positive
        return found

    def _spread_to(self, one: Value, *others: Value) -> Value:
        """Return a value broadcast against others."""
        shape = np.broadcast_shapes(one.shape, *(other.shape for other in others))
        return self.like(one, self._broadcast(one, shape))

    # --- bookkeeping ------------------------------------------------------------------------------

    def compare(self, one: Value, other: Value) -> bool:
        """Return whether two values of one shape are the same expression."""
        first, second = self.residues(one), self.residues(other)
        self._evaluate(first, one.growth.joined(other.growth))
        return bool(np.array_equal(first, second))

    def _evaluate(self, residues: Residues, growth: Growth) -> None:
        self.evaluations += int(residues[0].size)
        self.worst = self.worst.joined(growth)

    def _work(self, elements: int) -> None:
        self.computed += elements
        if self.computed > MOST_COMPUTED:
            raise CannotProveError(f"it computes more than {MOST_COMPUTED:,} elements")

    def _note(self, what: str, residues: Residues, growth: Growth) -> None:
        self._evaluate(residues, growth)
        first, second = self.field.fingerprints(residues, what)
        self.conditions.update(
            (what, int(one), int(other))
            for one, other in zip(np.ravel(first), np.ravel(second), strict=True)
        )

    def _broadcast(self, value: Value, shape: tuple[int, ...]) -> Residues:
        residues = self.residues(value)
        rank = len(shape)
        residues = residues.reshape(len(residues), *(1,) * (rank - value.rank), *value.shape)
        return np.ascontiguousarray(np.broadcast_to(residues, (len(residues), *shape)))


def _exact_sums(function: Bilinear, one: Any, other: Any, prime: int) -> Any:
    """Return the function of two arrays of residues modulo a prime (Karatsuba, by halves)."""
    high, low = (one >> _HALF_BITS).astype(np.float64), (one & _HALF).astype(np.float64)
    above, below = (other >> _HALF_BITS).astype(np.float64), (other & _HALF).astype(np.float64)
    highs, lows = np.asarray(function(high, above)), np.asarray(function(low, below))
    mixed = np.asarray(function(high + low, above + below)) - highs - lows
    highs, mixed, lows = (part.astype(np.int64) % prime for part in (highs, mixed, lows))
    shifted = (highs * (_HALF + 1) + mixed) % prime
    return (shifted * (_HALF + 1) + lows) % prime


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


def _of_a_maximum(one: Growth, other: Growth) -> Growth:
    """Bound (a + b + |a - b|) / 2."""
    return one.plus(other).plus(VARIABLE).times(Growth(0.0, 0.0, 0.0, 1.0))


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
