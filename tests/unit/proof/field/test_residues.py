from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from layerlens.proof.field.residues import LEAST_PRIME, Field, VanishedError, primes

FIELD = Field.drawn(0, 3)


def test_primes_are_prime_different_and_drawn_by_seed() -> None:
    found = primes(5, 6)
    assert len(set(found)) == 6
    assert all(LEAST_PRIME <= p < 2**31 for p in found)
    assert all(pow(2, p - 1, p) == 1 and all(p % n for n in range(2, 50_000)) for p in found)
    assert primes(5, 6) == found
    assert primes(6, 6) != found


def test_arithmetic_is_that_of_whole_numbers() -> None:
    one, other = FIELD.draw((50,)), FIELD.draw((50,))
    for row, prime in enumerate(FIELD.primes):
        pairs = [(int(a), int(b)) for a, b in zip(one[row], other[row], strict=True)]
        assert FIELD.add(one, other)[row].tolist() == [(a + b) % prime for a, b in pairs]
        assert FIELD.multiply(one, other)[row].tolist() == [a * b % prime for a, b in pairs]
        assert FIELD.negative(one)[row].tolist() == [-a % prime for a, _ in pairs]
        assert FIELD.reciprocal(one)[row].tolist() == [pow(a, -1, prime) for a, _ in pairs]


def test_fractions_and_broadcasting() -> None:
    third = np.array(FIELD.of(Fraction(1, 3)), np.int64)
    row = FIELD.of_integers(np.array([3, -3]))
    assert FIELD.multiply(third, row).tolist() == FIELD.of_integers(np.array([1, -1])).tolist()


def test_zero_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        FIELD.reciprocal(np.zeros((3, 2), np.int64))
    with pytest.raises(VanishedError):
        FIELD.reciprocal(np.array([[0], [1], [1]]))


def test_unknown_functions_tell_every_residue_name_and_seed_apart() -> None:
    one = FIELD.draw((1000,))
    again = FIELD.hashed("exp", one)
    assert np.array_equal(again, FIELD.hashed("exp", one.copy()))
    for row in range(3):
        other = one.copy()
        other[row] = (other[row] + 1) % FIELD.primes[row]
        assert not (FIELD.hashed("exp", other) == again).any(axis=1).all()
        assert not (FIELD.hashed("exp", other) == again).all(axis=0).any()
    assert not (FIELD.hashed("log", one) == again).all(axis=0).any()
    assert not (Field(1, FIELD.primes).hashed("exp", one) == again).all(axis=0).any()
    for row, prime in enumerate(FIELD.primes):
        assert (again[row] >= 0).all()
        assert (again[row] < prime).all()
