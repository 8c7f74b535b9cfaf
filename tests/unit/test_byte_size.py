"""Sizes in bytes as text, and back."""

from __future__ import annotations

import pytest

from layerlens.byte_size import parse, readable


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (720 * 10**9, "720.0 GB"),
        (10**22, "10,000.0 EB"),
    ],
)
def test_a_count_has_the_largest_unit_below_it(count: int, text: str) -> None:
    assert readable(count) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2G", 2 * 10**9),
        ("2 GB", 2 * 10**9),
        (" 2GiB ", 2 * 2**30),
        ("1.5k", 1500),
        ("1500M", 1500 * 10**6),
        ("12", 12),
    ],
)
def test_a_size_is_decimal_unless_it_is_written_with_i(text: str, count: int) -> None:
    assert parse(text) == count


@pytest.mark.parametrize("text", ["", "G", "-1G", "2P", "two", "2 G B"])
def test_other_text_is_no_size(text: str) -> None:
    assert parse(text) is None
