from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from layerlens.proof.cases import MOST_BATCHES, Cases
from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.residues import Field
from layerlens.proof.field.value import CannotProveError
from layerlens.scenario.spec import InputSpec

FLOATS, TOKENS = InputSpec("a", (3, 2)), InputSpec("b", (2,), "int32", 0, 5)
ZERO, ONE = Fraction(0), Fraction(1)


def test_every_combination_of_steps_is_a_case() -> None:
    cases = Cases.of({(0, ZERO)}, [FLOATS, TOKENS])
    assert len({tuple(row) for row in cases.chosen[0].tolist()}) == 2**3
    assert not cases.chosen[1].any()
    both = Cases.of({(0, ZERO), (1, ZERO), (1, ONE)}, [FLOATS, TOKENS])
    rows = np.concatenate([part.reshape(len(part), -1) for part in both.chosen], axis=1)
    assert len({tuple(row) for row in rows.tolist()}) == 2**3 * 3**2


def test_a_fraction_is_no_token() -> None:
    cases = Cases.of({(1, Fraction(1, 2))}, [FLOATS, TOKENS])
    assert cases.numbers == ((), ())


def test_too_many_cases_are_refused() -> None:
    numbers = {(0, Fraction(n)) for n in range(256)}
    with pytest.raises(CannotProveError, match="more than 256 cases"):
        Cases.of(numbers, [InputSpec("a", (9, 2))])


def test_steps_share_choices_where_there_would_be_too_many_cases() -> None:
    few = Cases.of({(0, ZERO)}, [InputSpec("a", (8, 2))])
    assert len(few.chosen[0]) == 256
    assert not few.are_repeated
    many = Cases.of({(0, ZERO)}, [InputSpec("a", (11, 2))])
    assert len(many.chosen[0]) == 256
    assert many.are_repeated
    seen = many.chosen[0]
    for steps, count in (((3, 10, 7), 8), ((0, 8), 2)):
        assert len({tuple(row) for row in seen[:, steps].tolist()}) == count


def test_cases_cover_what_depends_on_no_two_steps_of_one_choice() -> None:
    cases = Cases.of({(0, ZERO)}, [InputSpec("a", (11, 2)), InputSpec("b", (2, 2))])

    def covers(*steps: int) -> bool:
        lanes = np.zeros((13, 1), np.int64)
        lanes[list(steps)] = 1
        return cases.cover(lanes, [11, 2])

    assert covers(0, 1, 2, 3, 4, 5, 6, 7)
    assert covers(3, 10, 7, 11, 12)  # the second input is held against nothing
    assert not covers(0, 8)
    assert not covers(2, 5, 10)


def test_all_cases_stand_in_some_batch() -> None:
    cases = Cases.of({(0, ZERO)}, [FLOATS])
    (rows,) = cases.batches(3, fixed=False)
    assert len(rows) == 8 + 3
    assert set(rows) == set(range(8))
    batches = cases.batches(3, fixed=True)
    assert {len(rows) for rows in batches} == {3}
    assert set(np.concatenate(batches)) == set(range(8))
    with pytest.raises(CannotProveError, match=f"{MOST_BATCHES} batches"):
        Cases.of({(0, ZERO)}, [InputSpec("a", (7, 2))]).batches(1, fixed=True)


def test_masked_steps_are_the_number_and_others_are_kept() -> None:
    algebra = Algebra(Field.drawn(0, 3))
    cases = Cases.of({(0, ONE)}, [FLOATS])
    drawn = algebra.field.draw((8, 3, 2))
    given = cases.fill(algebra, 0, drawn, np.arange(8))
    masked = given.wholly[ONE]
    assert (given.residues[:, masked] == 1).all()
    assert np.array_equal(given.residues[:, ~masked], drawn[:, ~masked])
    assert masked.sum() == 8 * 3 / 2
