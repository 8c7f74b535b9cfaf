"""Which steps a map keeps."""

from __future__ import annotations

import pytest

from layerlens.report.maps import FIRST, LAST, WHOLE, kept_steps, outer_steps


def test_a_short_sequence_is_kept_whole() -> None:
    assert kept_steps(WHOLE) == tuple(range(WHOLE))


def test_of_a_long_sequence_the_first_and_last_steps_are_kept() -> None:
    assert kept_steps(100) == (0, 1, 2, 3, 4, 5, 96, 97, 98, 99)
    assert len(kept_steps(WHOLE + 1)) == FIRST + LAST


@pytest.mark.parametrize("steps", range(1, 15))
def test_no_step_is_kept_twice(steps: int) -> None:
    assert sorted(set(outer_steps(steps))) == list(outer_steps(steps))
    assert outer_steps(steps)[-1] == steps - 1
