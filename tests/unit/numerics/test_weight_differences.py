"""Paired weights are compared value by value."""

import numpy as np

from layerlens.numerics.weight_differences import compare_weights
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.report.layers import WeightRow

KERNEL, BIAS = WeightRow("d/kernel", (2, 3), 6), WeightRow("d/bias", (3,), 3)
FLAT = WeightRow("conv/kernel", (1, 2, 3), 6)
VALUES = [np.arange(6.0, dtype="float32").reshape(2, 3), np.zeros(3, "float32")]


def _compared(candidate, rows=(KERNEL, BIAS)):
    return compare_weights(pair_weights([KERNEL, BIAS], rows), VALUES, candidate)


def test_copied_weights_are_equal():
    found = _compared([VALUES[0].copy(), VALUES[1].copy()])
    assert found.are_equal
    assert found.compared == 2
    assert found.greatest is None


def test_one_weight_differs():
    moved = VALUES[0].copy()
    moved[1, 2] += 0.5
    found = _compared([moved, VALUES[1]])
    assert not found.are_equal
    (row,) = found.differing
    assert (row.reference, row.candidate) == ("d/kernel", "d/kernel")
    assert (row.difference.max_abs, row.difference.mismatched) == (0.5, 1)
    assert row.difference.compared == 6


def test_the_smallest_difference_counts():
    moved = np.nextafter(VALUES[0], np.float32(9))
    assert len(_compared([moved, VALUES[1]]).differing) == 1


def test_reshaped_weights_are_compared_as_carried():
    same = _compared([VALUES[0].reshape(1, 2, 3), VALUES[1]], (FLAT, BIAS))
    assert same.are_equal
    other = _compared([VALUES[0].reshape(1, 2, 3) * 2, VALUES[1]], (FLAT, BIAS))
    assert other.differing[0].candidate == "conv/kernel"


def test_nan_equals_nan_and_is_the_greatest_difference():
    broken = np.full((2, 3), np.nan, "float32")
    pairs = pair_weights([KERNEL, BIAS], [KERNEL, BIAS])
    assert compare_weights(pairs, [broken, VALUES[1]], [broken, VALUES[1]]).are_equal
    found = compare_weights(pairs, [broken, VALUES[1]], [VALUES[0], VALUES[1] + 1e9])
    assert found.greatest.candidate == "d/kernel"


def test_weights_without_a_partner_are_listed():
    more = WeightRow("e/kernel", (3, 3), 9)
    found = compare_weights(
        pair_weights([KERNEL, BIAS], [KERNEL, BIAS, more]), VALUES, [*VALUES, np.zeros((3, 3))]
    )
    assert found.unmatched == ("e/kernel",)
    assert not found.differing
    assert not found.are_equal
