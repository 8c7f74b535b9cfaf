"""Models that need more memory than is free are refused before they run."""

from __future__ import annotations

import pytest

from layerlens.models.build import memory
from layerlens.models.execute.running_memory import running_beyond_memory
from tests.unit.models.execute.runners import DENSE, of
from tests.unit.tables.pairs import layer

pytestmark = pytest.mark.usefixtures("backend")


def test_the_free_memory_decides_and_the_models_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = of(DENSE).built, of(layer("Dense", units=3)).built
    monkeypatch.setattr(memory, "free_memory", lambda: 10**9)
    assert running_beyond_memory("comparing", one, other) is None
    monkeypatch.setattr(memory, "free_memory", lambda: 100)
    error = running_beyond_memory("measuring", one, other)
    assert error is not None
    assert error.message.startswith("measuring `m` and `m` needs at least")
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    assert running_beyond_memory("comparing", one) is None
