"""Functions that are not rational, maxima and truth values, on top of arithmetic.

Of an unknown function no more is known than what is said of it, so that equal results mean equal
functions here, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.arithmetic import ONE, ZERO, Arithmetic
from layerlens.proof.field.growth import VARIABLE, Growth
from layerlens.proof.field.maxima import Maxima
from layerlens.proof.field.multiples import FACTOR, FACTORS, Multiples
from layerlens.proof.field.residues import COLLISION, Residues
from layerlens.proof.field.value import CannotProveError, Value, greatest, joined_spread, least


@dataclass(frozen=True, slots=True)
class Given:
    """An input of the models, and which of its steps are masked."""

    residues: Residues
    #: By a number: which steps are wholly that number; of every other step it is taken that some
    #: element is another. Empty where nothing is taken. A step of integers is one element, a
    #: step of other numbers all that differ in the last axis alone.
    wholly: Mapping[Fraction, NDArray[np.bool_]]


@dataclass
class Algebra(Arithmetic):
    """The values of one proof, with the maxima among them and the inputs that they are made of."""

    #: Whether a softmax is taken of the distances of its elements to the first one. It is the same,
    #: and then the same expression where something is added to all elements.
    by_distances: bool = False
    #: Whether a factor passes roots, distances and comparisons with zero: see `Multiples`.
    by_factors: bool = False
    #: Whether a law that these two add would have been tried.
    leaves_out_laws: bool = dataclasses.field(init=False, default=False)
    multiples: Multiples | None = dataclasses.field(init=False, default=None)
    maxima: Maxima = dataclasses.field(init=False)
    #: The inputs of the models.
    inputs: list[Given] = dataclasses.field(default_factory=list)
    #: Which inputs were held against which numbers.
    tested: set[tuple[int, Fraction]] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        if self.by_factors:
            self.multiples = Multiples(self.field)
        self.maxima = Maxima(self.field, self.multiples, self.limits.maxima)

    @property
    def error_bound(self) -> float:
        """The chance that two different expressions were taken for one, at most.

        Each pair of evaluated elements may be mistaken for equal, by their residues modulo all
        primes or by their fingerprints.
        """
        primes = self.field.prime_count
        agree = min(1.0, self.worst.chance()) ** primes + COLLISION
        found = float(self.evaluations) ** 2 * agree
        if self.multiples is not None:
            # For each pair of arguments that were held together, any factor might have fitted.
            multiple = self.worst.times(FACTOR)
            found += self.multiples.tried * FACTORS * min(1.0, multiple.chance()) ** primes
        return found

    @property
    def _unknown(self) -> Growth:
        """Bounds the value of an unknown function, or a multiple of one."""
        return VARIABLE if self.multiples is None else VARIABLE.times(FACTOR)

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
        self.evaluate(residues, one.growth)

        def at(given: Residues) -> Residues:
            signless, flipped = self.field.without_sign(given)
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
            self.note("is positive", residues, one.growth)
        low = ZERO if one.low is not None and one.low >= 1 else None
        found = self.function("log", one, low=low, increasing=True)
        ones = self.field.is_number(residues, ONE)
        found.residues = np.where(ones, 0, self.residues(found))
        return found

    def sqrt(self, one: Value) -> Value:
        """Return the square root; that its argument is not negative is noted unless known."""
        residues = self.residues(one)
        if not one.is_nonnegative:
            self.note("is not negative", residues, one.growth)
        exact = self._exact_root(one)
        if exact is not None:
            return exact
        found = self._root_of_multiple(one)
        if found is None:
            found = self.function("sqrt", one, low=ZERO, at_zero=ZERO, increasing=True)
            if self.multiples is not None:
                self.multiples.remember("sqrt", residues, self.residues(found))
        found.positive = one.is_positive
        found.spread = frozenset()
        return found

    def _root_of_multiple(self, one: Value) -> Value | None:
        """Return the root of c² x as c times that of x, where that is known."""
        residues = self.residues(one)
        self.leaves_out_laws |= not self.by_factors
        earlier = self.multiples.earlier("sqrt", residues) if self.multiples else None
        factor = None if earlier is None else root_of(earlier[0])
        if earlier is None or factor is None or self.multiples is None:
            return None
        self.evaluate(residues, one.growth)
        root = self.multiples.scaled(factor, earlier[1])
        return self.made(root, low=ZERO, growth=self._unknown)

    def _exact_root(self, one: Value) -> Value | None:
        exact = None if one.low is None or one.low != one.high else root_of(one.low)
        if exact is None:
            return None
        root = self.number(exact)
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
        first, second = (self.broadcast(value, shape) for value in (one, other))
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
        self.leaves_out_laws |= not self.by_factors
        growth = _of_a_maximum(one.growth, other.growth, self._unknown)
        self.evaluate(first, growth)
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
            raise CannotProveError("it takes the maximum of no elements")
        self.leaves_out_laws |= not self.by_factors
        self.evaluate(rows, one.growth)
        flat = rows.reshape(len(rows), -1, rows.shape[-1])
        found = self.maxima.of_each_row(flat).reshape(rows.shape[:-1])
        pairs = rows.shape[-1] == 2
        growth = _of_a_maximum(one.growth, one.growth, self._unknown) if pairs else VARIABLE
        growth = growth.joined(one.growth)
        return self.made(found, low=one.low, high=one.high, growth=growth, spread=None)

    def in_order(self, one: Value, count: int) -> Value:
        """Return so many of the greatest elements along the last axis, the greatest first."""
        residues = self.residues(one)
        if not residues.size:
            raise CannotProveError("nothing is sorted")
        self.leaves_out_laws |= not self.by_factors
        self.evaluate(residues, one.growth)
        flat = residues.reshape(len(residues), -1, residues.shape[-1])
        found = self.maxima.in_order(flat, count).reshape(*residues.shape[:-1], count)
        growth = _of_a_maximum(one.growth, one.growth, self._unknown).joined(one.growth)
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
        self.evaluate(residues, difference.growth)
        found = self._are_positive(residues)
        return self.made(found, kind="bool", low=ZERO, high=ONE)

    def _are_positive(self, residues: Residues) -> Residues:
        """Return which elements are greater than zero: unknown, but the same of c x for c > 0."""
        name = "is greater than zero"
        self.leaves_out_laws |= not self.by_factors
        earlier = self.multiples.earlier(name, residues) if self.multiples else None
        if earlier is not None and earlier[0] > 0:
            return earlier[1]
        found = np.where(self.field.is_zero(residues), 0, self.field.hashed(name, residues))
        if self.multiples is not None:
            self.multiples.remember(name, residues, found)
        return found

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
        self.evaluate(residues, difference.growth)
        signless, _ = self.field.without_sign(residues)
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
            if self.field.is_same(given.residues, residues):
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
        first, second = (self.broadcast(value, shape) for value in (one, other))
        product = self.field.multiply(first, second)
        found = np.where(self.field.are_equal(first, second), first, product)
        growth = one.growth.times(other.growth)
        self.evaluate(first, growth)
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
            first, second = (self.broadcast(value, shape) for value in (one, other))
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
        return self.like(one, self.broadcast(one, shape))


def _of_a_maximum(one: Growth, other: Growth, distance: Growth) -> Growth:
    """Bound (a + b + |a - b|) / 2."""
    return one.plus(other).plus(distance).times(Growth(0.0, 0.0, 0.0, 1.0))


def root_of(number: Fraction) -> Fraction | None:
    """Return the square root of a fraction, where it is one."""
    if number < 0:
        return None
    above, below = isqrt(number.numerator), isqrt(number.denominator)
    if above * above != number.numerator or below * below != number.denominator:
        return None
    return Fraction(above, below)
