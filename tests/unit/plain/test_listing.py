"""Items are written as prose, and what is left out is counted."""

from __future__ import annotations

import pytest

from layerlens.plain.listing import listed


@pytest.mark.parametrize(
    ("items", "most", "text"),
    [
        ([], None, ""),
        (["a"], None, "a"),
        (["a", "b"], None, "a and b"),
        (["a", "b", "c"], None, "a, b and c"),
        (["a", "b", "c"], 3, "a, b and c"),
        (["a", "b", "c"], 2, "a, b and 1 more"),
        (["a", "b", "c"], 1, "a and 2 more"),
    ],
)
def test_listed(items: list[str], most: int | None, text: str) -> None:
    assert listed(items, most) == text
