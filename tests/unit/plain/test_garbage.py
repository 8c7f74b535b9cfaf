from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from layerlens.plain.garbage import COLLECT_AFTER, collect_rarely


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700)
    yield
    gc.set_threshold(*before)


def test_garbage_is_collected_after_many_new_objects() -> None:
    collect_rarely()
    assert gc.get_threshold()[0] == COLLECT_AFTER > 700
