"""How large the polynomials behind an element can be: what bounds the chance of an error.

An element is a fraction of two polynomials in the inputs, the weights and the values of unknown
functions. Two different fractions agree at a random point modulo a random prime with at most the
chance (d / p) + (h / 31) / m: a polynomial of degree d that is not zero modulo p has at most that
share of zeros (Schwartz 1980, Zippel 1979), and one whose coefficients add up to less than 2^h is
zero modulo at most h / 31 of the m primes of the pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from layerlens.proof.field.residues import LEAST_PRIME, POOL


@dataclass(frozen=True, slots=True)
class Growth:
    """Bounds on numerator and denominator: degrees, and bits of the sum of all coefficients."""

    degree: float = 1.0
    bits: float = 0.0
    below: float = 0.0
    below_bits: float = 0.0

    def plus(self, other: Growth) -> Growth:
        """Bound a sum."""
        if not (self.below or other.below or self.below_bits or other.below_bits):
            return Growth(max(self.degree, other.degree), max(self.bits, other.bits) + 1)
        return Growth(
            max(self.degree + other.below, other.degree + self.below),
            max(self.bits + other.below_bits, other.bits + self.below_bits) + 1,
            self.below + other.below,
            self.below_bits + other.below_bits,
        )

    def times(self, other: Growth) -> Growth:
        """Bound a product."""
        return Growth(
            self.degree + other.degree,
            self.bits + other.bits,
            self.below + other.below,
            self.below_bits + other.below_bits,
        )

    def inverted(self) -> Growth:
        """Bound a reciprocal."""
        return Growth(self.below, self.below_bits, self.degree, self.bits)

    def summed(self, terms: int, *, shared: bool) -> Growth:
        """Bound a sum of several such elements; `shared` where all have one denominator."""
        terms = max(1, terms)
        if shared or not (self.below or self.below_bits):
            return Growth(self.degree, self.bits + log2(terms), self.below, self.below_bits)
        others = terms - 1
        return Growth(
            self.degree + others * self.below,
            self.bits + others * self.below_bits + log2(terms),
            self.below * terms,
            self.below_bits * terms,
        )

    def joined(self, other: Growth) -> Growth:
        """Bound elements that may be either."""
        return Growth(
            max(self.degree, other.degree),
            max(self.bits, other.bits),
            max(self.below, other.below),
            max(self.below_bits, other.below_bits),
        )

    def of_a_difference(self) -> float:
        """Return the degree of the difference of two such fractions, over one denominator."""
        return self.degree + self.below

    def chance(self) -> float:
        """Return the chance that two different elements agree modulo one prime."""
        bits = self.bits + self.below_bits + 1
        return self.of_a_difference() / LEAST_PRIME + bits / 31 / POOL


#: A value that is drawn, or that an unknown function returns.
VARIABLE = Growth()
#: A constant, before its bits are known.
NOTHING = Growth(0.0)
