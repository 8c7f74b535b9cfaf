"""Killed processes cost their own scenarios alone, and leave nothing behind."""

from __future__ import annotations

import pytest

from tests.kills.run import kill_all


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.nightly, id="many")])
def test_kills_at_random_times(kills: int) -> None:
    result = kill_all(kills, seed=0)
    assert result.faults == []
    assert sum(result.kills.values()) >= kills // 2
    assert result.lost >= 1
    assert result.finished >= 1
