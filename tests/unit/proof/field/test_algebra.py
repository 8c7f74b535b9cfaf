from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.arithmetic import MOST_TERMS
from layerlens.proof.field.residues import Field
from layerlens.proof.field.value import CannotProveError, Value, constant


@pytest.fixture
def algebra() -> Algebra:
    return Algebra(Field.drawn(0, 3))


def drawn(algebra: Algebra, *shape: int, **known: object) -> Value:
    return algebra.made(algebra.field.draw(shape), **known)


def test_sums_of_products_are_exact(algebra: Algebra) -> None:
    one, other = drawn(algebra, 3, 200), drawn(algebra, 200, 2)
    found = algebra.residues(algebra.sums_of_products(np.matmul, one, other, 200))
    for row, prime in enumerate(algebra.field.primes):
        left, right = (algebra.residues(v)[row].astype(object) for v in (one, other))
        assert np.array_equal(found[row], left.dot(right) % prime)


def test_the_largest_residues_of_the_longest_sum_are_exact(algebra: Algebra) -> None:
    tops = np.array(algebra.field.primes, np.int64)[:, None, None] - 1
    one = algebra.made(np.broadcast_to(tops, (3, 1, MOST_TERMS)).copy())
    other = algebra.made(np.broadcast_to(tops, (3, MOST_TERMS, 1)).copy())
    found = algebra.residues(algebra.sums_of_products(np.matmul, one, other, MOST_TERMS))
    assert found.ravel().tolist() == [MOST_TERMS % p for p in algebra.field.primes]  # (-1)² each
    with pytest.raises(CannotProveError, match="products"):
        algebra.sums_of_products(np.matmul, one, other, MOST_TERMS + 1)


def test_bounds_follow_arithmetic(algebra: Algebra) -> None:
    one = drawn(algebra, 4, low=Fraction(-1), high=Fraction(2))
    assert (algebra.negate(one).low, algebra.negate(one).high) == (-2, 1)
    assert (algebra.square(one).low, algebra.square(one).high) == (0, 4)
    other = algebra.add(one, algebra.number(3))
    assert (other.low, other.high, other.is_positive) == (2, 5, True)
    product = algebra.multiply(one, other)
    assert (product.low, product.high) == (-5, 10)
    inverse = algebra.reciprocal(other)
    assert (inverse.low, inverse.high) == (Fraction(1, 5), Fraction(1, 2))
    assert not algebra.definedness.numbers


def test_a_square_of_a_value_is_never_negative_but_a_product_may_be(algebra: Algebra) -> None:
    one, other = drawn(algebra, 4), drawn(algebra, 4)
    assert algebra.square(one).is_nonnegative
    assert not algebra.multiply(one, other).is_nonnegative


@pytest.mark.parametrize(
    ("operation", "what"),
    [("reciprocal", "is not zero"), ("log", "is positive"), ("sqrt", "is not negative")],
)
def test_partial_functions_note_where_they_are_defined(
    algebra: Algebra, operation: str, what: str
) -> None:
    getattr(algebra, operation)(drawn(algebra, 4, low=Fraction(1)))
    assert not algebra.definedness.numbers
    getattr(algebra, operation)(drawn(algebra, 4))
    assert {name for name, *_ in algebra.definedness.numbers} == {what}
    assert len(algebra.definedness.numbers) == 4


def test_comparisons_are_decided_by_ranges_only_where_they_are_strict(algebra: Algebra) -> None:
    low, high = drawn(algebra, 2, high=Fraction(0)), drawn(algebra, 2, low=Fraction(0))
    undecided = algebra.is_greater(high, low)
    assert undecided.constant is None
    assert algebra.is_greater(low, high).array("it").tolist() == [False, False]
    above = drawn(algebra, 2, low=Fraction(1))
    assert algebra.is_greater(above, low).array("it").tolist() == [True, True]


def test_roots_of_numbers_are_exact(algebra: Algebra) -> None:
    quarter = algebra.sqrt(algebra.number(Fraction(1, 4)))
    assert algebra.compare(quarter, algebra.number(Fraction(1, 2)))
    assert not algebra.compare(algebra.sqrt(algebra.number(2)), algebra.number(Fraction(7, 5)))


@pytest.mark.parametrize("array", [np.zeros(2, np.float16), np.zeros(2, np.complex64)])
def test_constants_of_other_dtypes_are_refused(array: np.ndarray) -> None:
    with pytest.raises(CannotProveError, match="it computes in"):
        constant(array)


def test_infinite_constants_are_refused(algebra: Algebra) -> None:
    with pytest.raises(CannotProveError, match="infinite"):
        algebra.residues(constant(np.array([1.0, -np.inf])))
