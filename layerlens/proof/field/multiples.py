"""Functions that a factor passes: |c x| = |c| |x|, and the root of c² x is c times that of x."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from layerlens.proof.field.growth import Growth
from layerlens.proof.field.residues import Field, Residues

#: A factor is a fraction of at most so many bits above and below, or the other way round.
_MOST_BITS, _FEWER_BITS = 20, 9
#: So many fractions have so many bits: above or below, either sign, either way round.
FACTORS = 2 ** (_MOST_BITS + _FEWER_BITS + 2)
#: Bounds a factor.
FACTOR = Growth(0.0, float(_MOST_BITS), 0.0, float(_MOST_BITS))
#: More arguments of one function and shape are not remembered.
_MOST_REMEMBERED = 64


@dataclass
class Multiples:
    """The arguments that functions were asked for, whole arrays, with the values they gave."""

    field: Field
    #: How often an argument was held against another one.
    tried: int = 0
    _known: dict[tuple[object, ...], list[tuple[Residues, Residues]]] = dataclasses.field(
        default_factory=dict
    )

    def earlier(self, name: str, given: Residues) -> tuple[Fraction, Residues] | None:
        """Return c and f(x) where an array is c x, element by element, for an x asked for earlier.

        c is not 0. Where there are several, x is the first one.
        """
        if given[0].size < 2:
            return None
        for argument, value in self._known.get((name, given.shape), ()):
            factor = self._factor(argument, given)
            if factor is not None:
                return factor, value
        return None

    def remember(self, name: str, given: Residues, value: Residues) -> None:
        """Remember the values of a function."""
        if given[0].size >= 2:
            listed = self._known.setdefault((name, given.shape), [])
            if len(listed) < _MOST_REMEMBERED:
                listed.append((given, value))

    def scaled(self, factor: Fraction, value: Residues) -> Residues:
        """Return a multiple of an array."""
        number = np.array(self.field.of(factor), np.int64)
        return self.field.multiply(number.reshape(-1, *(1,) * (value.ndim - 1)), value)

    def _factor(self, one: Residues, other: Residues) -> Fraction | None:
        """Return c where `other` is c times `one`."""
        self.tried += 1
        first, last, prime = one[0].flat, other[0].flat, self.field.primes[0]
        place = int(np.argmax(one[0] != 0))
        if not first[place] or not last[place]:
            return None
        ratio = int(last[place]) * pow(int(first[place]), -1, prime)
        for factor in small_fractions(ratio, prime):
            if np.array_equal(self.scaled(factor, one), other):
                return factor
        return None


def small_fractions(residue: int, prime: int) -> Iterator[Fraction]:
    """Yield the fractions of few bits that have a residue modulo a prime (by Wang's algorithm)."""
    for above in (2**_MOST_BITS, 2**_FEWER_BITS):
        one, other, step, last = prime, residue % prime, 0, 1
        while other > above:
            times = one // other
            one, other = other, one - times * other
            step, last = last, step - times * last
        if 0 < abs(last) <= 2 ** (_MOST_BITS + _FEWER_BITS) // above:
            yield Fraction(other, last)
