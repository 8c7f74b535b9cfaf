"""What would not fit in memory is refused, with the size, before it is tried."""

from __future__ import annotations

import pytest

import layerlens
from layerlens import memory
from layerlens.memory import probes_beyond_memory


def test_inputs_that_do_not_fit_are_refused_before_anything_is_run() -> None:
    models = {"one": ["ReLU"], "other": [{"Activation": "relu"}]}
    (scenario,) = layerlens.compare({"input": {"shape": [10**9]}, "models": models}).scenarios
    assert scenario.status == "error"
    (error,) = scenario.errors
    assert (
        "running `one` and `other` on the probes needs at least 1.4 TB of memory" in error.message
    )
    assert "3,000,000,000 values" in error.message
    assert "layerlens summary" in str(error.hint)


def test_what_is_free_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(None, 1000), (None, None, 10), (None, 10)]  # 1,020 values
    for free, fits in ((1020 * 480, True), (1020 * 480 - 1, False), (None, True)):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        assert (probes_beyond_memory(["a"], shapes, None) is None) == fits
