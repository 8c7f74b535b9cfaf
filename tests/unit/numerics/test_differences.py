from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from layerlens.numerics.differences import difference_between, distance, within

NAN, INF = math.nan, math.inf


def f32(*values: float) -> Any:
    return np.asarray(values, dtype="float32")


def f64(*values: float) -> Any:
    return np.asarray(values, dtype="float64")


# --- distance -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (1.0, 1.5, 0.5),
        (0.0, -0.0, 0.0),
        (NAN, NAN, 0.0),
        (INF, INF, 0.0),
        (-INF, -INF, 0.0),
        (NAN, 0.0, INF),
        (0.0, NAN, INF),
        (INF, NAN, INF),
        (INF, -INF, INF),
        (INF, 3e38, INF),
        (1e308, -1e308, INF),  # too far apart to write down
    ],
)
def test_not_a_number_and_infinity_equal_only_themselves(
    one: float, other: float, apart: float
) -> None:
    assert distance(f64(one), f64(other)).tolist() == [apart]


def test_whole_numbers_are_subtracted_without_wrapping_around() -> None:
    one, other = np.asarray([0, 255], dtype="uint8"), np.asarray([1, 0], dtype="uint8")
    assert distance(one, other).tolist() == [1.0, 255.0]


@pytest.mark.parametrize("dtype", [object, bool])
def test_what_is_no_number_is_the_same_or_infinitely_far(dtype: type) -> None:
    words = np.asarray([b"a", b"", b""], dtype=dtype)
    others = np.asarray([b"a", b"", b"c"], dtype=dtype)
    assert distance(words, others).tolist() == [0.0, 0.0, INF]


# --- differences ---------------------------------------------------------------------------------


def test_every_figure_of_a_difference() -> None:
    found = difference_between(f32(1.0, 2.0, 4.0), f32(1.0, 2.0 + 2**-22, 5.0), allowed=0.5)
    assert found.max_abs == 1.0
    assert found.max_rel == 0.25
    assert found.max_ulp == 2**21  # the step at 5 is 2^-21
    assert (found.mismatched, found.compared) == (1, 3)


def test_equal_arrays_have_no_figure_above_nought() -> None:
    found = difference_between(f32(1.0, NAN, INF), f32(1.0, NAN, INF), allowed=0.0)
    assert (found.max_abs, found.max_rel, found.max_ulp) == (0.0, 0.0, 0.0)
    assert (found.mismatched, found.compared) == (0, 3)


def test_a_lone_infinity_is_told_in_every_figure() -> None:
    found = difference_between(f32(1.0, 2.0), f32(1.0, INF), allowed=1e30)
    assert (found.max_abs, found.max_ulp, found.mismatched) == (INF, INF, 1)


def test_the_relative_difference_leaves_out_elements_that_are_nought() -> None:
    assert difference_between(f64(0.0, 2.0), f64(5.0, 3.0), allowed=0.0).max_rel == 0.5
    assert (
        difference_between(f64(0.0, 0.0), f64(5.0, 3.0), allowed=0.0).max_rel == 5.0
    )  # nothing else to go by


def test_nothing_compared_is_counted_as_nothing() -> None:
    found = difference_between(np.zeros((2, 0)), np.zeros((2, 0)), allowed=0.0)
    assert (found.compared, found.mismatched, found.max_abs) == (0, 0, 0.0)


# --- a tolerance ----------------------------------------------------------------------------------


def test_a_tolerance_is_met_at_its_edge_and_not_beyond() -> None:
    edge = 0.5 + 0.25 * 4.0
    assert within(f64(4.0), f64(4.0 + edge), rtol=0.25, atol=0.5).tolist() == [True]
    assert within(f64(4.0), f64(np.nextafter(4.0 + edge, 9)), 0.25, 0.5).tolist() == [False]


def test_a_tolerance_is_relative_to_the_reference() -> None:
    assert within(f64(10.0), f64(15.0), rtol=0.5, atol=0.0).all()
    assert not within(f64(9.0), f64(15.0), rtol=0.5, atol=0.0).any()  # 6 is half of neither


def test_no_tolerance_covers_what_only_one_of_them_has() -> None:
    one, other = f64(NAN, INF, INF, 1.0, NAN), f64(NAN, INF, -INF, NAN, 1.0)
    assert within(one, other, rtol=1e9, atol=1e300).tolist() == [True, True, False, False, False]


def test_a_tolerance_means_nothing_to_words() -> None:
    words, others = np.asarray([b"a", b"b"], object), np.asarray([b"a", b"c"], object)
    assert within(words, others, rtol=1.0, atol=1.0).tolist() == [True, False]
