from __future__ import annotations

from fractions import Fraction

import pytest

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.multiples import Multiples, small_fractions
from layerlens.proof.field.residues import Field

FIELD = Field.drawn(0, 4)


@pytest.mark.parametrize("number", ["3", "-3", "1/3", "1000000", "-1/1000000", "511/500000", "1"])
def test_fractions_of_few_bits_are_found(number: str) -> None:
    fraction = Fraction(number)
    assert fraction in small_fractions(FIELD.of(fraction)[0], FIELD.primes[0])


@pytest.mark.parametrize("number", ["2000003/2000001", str(2**30)])
def test_other_fractions_are_not(number: str) -> None:
    fraction = Fraction(number)
    assert fraction not in small_fractions(FIELD.of(fraction)[0], FIELD.primes[0])


def test_a_multiple_of_an_earlier_argument_is_found_with_its_factor() -> None:
    multiples = Multiples(FIELD)
    argument, value = FIELD.draw((5,)), FIELD.draw((5,))
    multiples.remember("f", argument, value)
    found = multiples.earlier("f", multiples.scaled(Fraction(-2, 3), argument))
    assert found is not None
    assert found[0] == Fraction(-2, 3)
    assert found[1] is value
    assert multiples.earlier("g", argument) is None
    # The same factor modulo one prime only is none.
    other = multiples.scaled(Fraction(2), argument)
    other[1] = argument[1]
    assert multiples.earlier("f", other) is None
    # Nor is one that fits the first element only.
    other = multiples.scaled(Fraction(2), argument)
    other[:, 1:] = argument[:, 1:]
    assert multiples.earlier("f", other) is None


def test_each_comparison_counts_for_the_bound() -> None:
    algebra = Algebra(Field.drawn(0, 1), by_factors=True)
    algebra.relu(algebra.made(algebra.field.draw((5,))))
    before = algebra.error_bound
    algebra.relu(algebra.made(algebra.field.draw((5,))))
    assert algebra.multiples is not None
    assert algebra.multiples.tried == 1
    assert algebra.error_bound > before + 1
