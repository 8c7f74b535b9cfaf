"""Two sequences of keys are aligned, however long and repetitive they are."""

from __future__ import annotations

import time

import pytest

from layerlens.explain.sequences import opcodes


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("abc", "abc", [("equal", 0, 3, 0, 3)]),
        ("abc", "ac", [("equal", 0, 1, 0, 1), ("delete", 1, 2, 1, 1), ("equal", 2, 3, 1, 2)]),
        ("ab", "axb", [("equal", 0, 1, 0, 1), ("insert", 1, 1, 1, 2), ("equal", 1, 2, 2, 3)]),
        ("abc", "axc", [("equal", 0, 1, 0, 1), ("replace", 1, 2, 1, 2), ("equal", 2, 3, 2, 3)]),
        # One of equal neighbours is gone: the last one, as the beginning is as long as it can be.
        ("aaab", "aab", [("equal", 0, 2, 0, 2), ("delete", 2, 3, 2, 2), ("equal", 3, 4, 2, 3)]),
        ("", "ab", [("insert", 0, 0, 0, 2)]),
        ("", "", []),
    ],
)
def test_the_equal_beginning_and_end_are_as_long_as_they_can_be(
    one: str, other: str, found: list[tuple[object, ...]]
) -> None:
    assert opcodes(one, other) == found


def covers(found: list[tuple[str, int, int, int, int]], one: str, other: str) -> bool:
    """Return whether opcodes lead through both sequences, and equal parts are equal."""
    ends = [(0, 0), *((b, d) for _, _, b, _, d in found)]
    starts = [(a, c) for _, a, _, c, _ in found]
    return (
        starts == ends[:-1]
        and ends[-1] == (len(one), len(other))
        and all(one[a:b] == other[c:d] for kind, a, b, c, d in found if kind == "equal")
    )


@pytest.mark.parametrize("other", ["abx" * 2000, "abxc" * 2000, "xab" * 1500])
def test_thousands_of_changes_take_no_time(other: str) -> None:
    one = "abc" * 2000
    started = time.process_time()
    assert covers(opcodes(one, other), one, other)
    assert covers(opcodes(other, one), other, one)
    assert time.process_time() - started < 1
