"""Slices parsed from text."""

from __future__ import annotations

import pytest

from layerlens.scenario.reading.scenarios import (
    parse_select,
)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("[:, -1]", (slice(None), -1)),
        ("[..., 0:6:2]", (..., slice(0, 6, 2))),
        ("[:, None, ::-1,]", (slice(None), None, slice(None, None, -1))),
        (" [ 0 ] ", (0,)),
    ],
)
def test_a_slice_in_text(text: str, index: tuple[object, ...]) -> None:
    assert parse_select(text) == index


@pytest.mark.parametrize("text", [":, -1", "[]", "[1.5]", "[..., ...]", "[::0]", "[a]", "[1,,2]"])
def test_what_is_no_slice(text: str) -> None:
    with pytest.raises(ValueError, match=r"slice|selects nothing|more than one|step of 0"):
        parse_select(text)
