from __future__ import annotations

import numpy as np
import pytest

from layerlens.proof.field import maxima as module
from layerlens.proof.field.maxima import Maxima
from layerlens.proof.field.residues import Field
from layerlens.proof.field.value import CannotProveError

FIELD = Field.drawn(0, 3)


def test_a_maximum_is_associative_commutative_and_idempotent() -> None:
    maxima = Maxima(FIELD)
    a, b, c = (FIELD.draw((5,)) for _ in range(3))
    left = maxima.of_two(maxima.of_two(a, b), c)
    assert np.array_equal(left, maxima.of_two(a, maxima.of_two(c, b)))
    assert np.array_equal(left, maxima.of_two(left, b))
    assert np.array_equal(maxima.of_two(a, a), a)
    assert np.array_equal(left, maxima.of_each_row(np.stack([b, c, a], axis=2)))
    assert not np.array_equal(left, maxima.of_two(a, b))


def test_maximum_and_minimum_add_up() -> None:
    maxima = Maxima(FIELD)
    a, b = FIELD.draw((5,)), FIELD.draw((5,))
    least = FIELD.negative(maxima.of_two(FIELD.negative(a), FIELD.negative(b)))
    assert np.array_equal(FIELD.add(maxima.of_two(a, b), least), FIELD.add(a, b))
    assert not np.array_equal(maxima.of_two(a, b), least)


def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SETS", 8)
    with pytest.raises(CannotProveError, match="over 9 elements"):
        Maxima(FIELD).of_each_row(FIELD.draw((3, 3)))


def test_no_more_are_remembered_than_a_proof_may_have() -> None:
    maxima = Maxima(FIELD, most=5)
    a, b = FIELD.draw((3,)), FIELD.draw((3,))
    found = maxima.of_two(a, b)
    assert np.array_equal(maxima.of_two(b, a), found)  # which are remembered already
    with pytest.raises(CannotProveError, match="more than 5 maxima"):
        maxima.of_two(a, FIELD.draw((3,)))


def test_an_element_with_two_residues_of_a_maximum_is_none() -> None:
    maxima = Maxima(FIELD)
    a, b = FIELD.draw((4,)), FIELD.draw((4,))
    alike = maxima.of_two(a, b)
    alike[1] = (alike[1] + 1) % FIELD.primes[1]
    other = Maxima(FIELD)
    assert np.array_equal(maxima.of_two(alike, a), other.of_two(alike, a))


def test_maxima_of_many_arrays_are_found_again() -> None:
    maxima = Maxima(FIELD)
    drawn = [(FIELD.draw((n,)), FIELD.draw((n,))) for n in (3, 1, 5)]
    found = [maxima.of_two(one, other) for one, other in drawn]
    for (one, other), greatest in zip(drawn, found, strict=True):
        assert np.array_equal(maxima.of_two(greatest, one), greatest)
        assert np.array_equal(maxima.of_two(other, greatest), greatest)
