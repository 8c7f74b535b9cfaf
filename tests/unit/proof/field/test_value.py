from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from layerlens.proof.field.value import (
    CannotProveError,
    Value,
    constant,
    greatest,
    joined_spread,
    least,
)


def test_signs_follow_bounds() -> None:
    above = Value((2, 3), "float", low=Fraction(1, 9))
    assert (above.is_positive, above.is_nonnegative, above.is_negative) == (True, True, False)
    touching = Value((), "float", low=Fraction(0), high=Fraction(0))
    assert (touching.is_positive, touching.is_nonnegative, touching.is_negative) == (
        False,
        True,
        False,
    )
    assert Value((), "float", high=Fraction(-1)).is_negative
    assert (above.size, above.rank) == (6, 2)


def test_bounds_of_many_digits_are_dropped() -> None:
    assert Value((), "float", low=Fraction(1, 3**200)).low is not None
    assert Value((), "float", low=Fraction(1, 3**300)).low is None


def test_the_bound_of_several_is_unknown_where_one_is() -> None:
    assert least(Fraction(2), Fraction(1)) == 1
    assert greatest(Fraction(2), Fraction(1)) == 2
    assert least(Fraction(2), None) is None


@pytest.mark.parametrize(
    ("array", "kind"),
    [(np.ones(2), "float"), (np.ones(2, np.int32), "int"), (np.ones(2, bool), "bool")],
)
def test_constants_have_the_kind_of_their_dtype(array: np.ndarray, kind: str) -> None:
    assert constant(array).kind == kind


def test_a_value_that_depends_on_data_is_no_constant() -> None:
    with pytest.raises(CannotProveError, match="the length of a loop depends on data"):
        Value((), "bool").array("the length of a loop")


def test_axes_with_different_denominators_join() -> None:
    one, other = Value((2, 3), "float", spread=frozenset({-1})), Value((3,), "float", spread=None)
    assert joined_spread(one) == {-1}
    assert joined_spread(one, other) is None
