"""Scales and names of the pictures."""

from __future__ import annotations

import math

from layerlens.render.pictures.scales import NAME_LENGTH, badness, decades, mark, short_name


def test_nan_is_as_bad_as_infinity() -> None:
    assert badness(math.nan) == math.inf
    assert badness(0.5) == 0.5


def test_at_most_six_powers_of_ten() -> None:
    assert decades(1e-3, 1.0) == [1e-3, 1e-2, 1e-1, 1.0]
    assert len(decades(1e-30, 1.0)) <= 6
    assert decades(2.0, 3.0) == [2.0, 3.0]


def test_marks_and_names() -> None:
    assert [mark(n) for n in (0, 0.5, 1234.0)] == ["0", "0.5", "1.2e+03"]
    assert short_name("a\nb") == "a b"
    assert len(short_name("x" * 99)) == NAME_LENGTH
    assert short_name("abcdef", 3) == "ab…"
