from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from layerlens.proof.field.fractions_of_floats import simplest_fraction

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


@pytest.mark.parametrize(
    ("number", "fraction"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.1, "1/10"),
        (-0.3, "-3/10"),
        (1 / 3, "1/3"),
        (1e-7, "1/10000000"),
        (1e-12, "1/1000000000000"),
        (0.044715, "44715/1000000"),
        (1e9, "1000000000"),
        (2.0**27, "134217728"),
        (2.0**-27, "1/134217728"),
    ],
)
def test_both_precisions_mean_the_same(number: float, fraction: str) -> None:
    assert simplest_fraction(float(np.float32(number)), F32) == Fraction(fraction)
    assert simplest_fraction(number, F64) == Fraction(fraction)


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("number", [0.1, 1.0, 0.5, 3e-30, 7e20, 2.0**24, 2.0**27, 2.0**-27])
def test_neighbours_differ_and_every_fraction_rounds_back(number: float, dtype: np.dtype) -> None:
    given = dtype.type(number)
    above, below = (np.nextafter(given, dtype.type(end)) for end in (np.inf, -np.inf))
    found = [simplest_fraction(float(one), dtype) for one in (below, given, above)]
    assert found == sorted(set(found))
    for fraction, one in zip(found, (below, given, above), strict=True):
        assert dtype.type(fraction.numerator / fraction.denominator) == one


@pytest.mark.parametrize("number", [134_217_720.0, 67_108_860.0, 2.0**100, 3 * 2.0**-40])
def test_whole_numbers_and_powers_of_two_are_exact(number: float) -> None:
    assert simplest_fraction(number, F32) == Fraction(number)


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_no_real_number(number: float) -> None:
    with pytest.raises(ValueError, match="not a real number"):
        simplest_fraction(number, F32)
