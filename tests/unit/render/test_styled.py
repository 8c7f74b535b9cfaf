"""Folding and padding of styled lines."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from rich.cells import cell_len
from rich.text import Text

from layerlens.render.styled import (
    GLYPHS,
    NO_BREAK,
    fill,
    fold,
    joined,
    keep_together,
    to_ascii,
    without_hidden,
)


def folded(text: str, width: int, **space: int) -> list[str]:
    return [line.plain.rstrip() for line in fold(Text(text), width, **space)]


def test_a_text_is_folded_at_spaces_and_later_lines_hang() -> None:
    assert folded("one two three", 9, indent=1, hang=2) == [" one two", "   three"]


def test_a_word_longer_than_a_line_is_broken_and_never_cut() -> None:
    lines = folded("abcdefghij", 4)
    assert "".join(lines) == "abcdefghij"
    assert max(map(len, lines)) == 4


def test_newlines_stay() -> None:
    assert folded("a\nb", 80) == ["a", "b"]


def test_a_shape_is_kept_together_where_it_fits() -> None:
    assert folded("input (None, 64, 15) x", 16) == ["input", "(None, 64, 15) x"]
    assert folded("(None, 64, 15)", 8) == ["(None,", "64, 15)"]


def test_spaces_kept_together_are_spaces_again() -> None:
    assert folded(keep_together("a b"), 80) == ["a b"]
    assert NO_BREAK not in "".join(folded(keep_together("aa bb") + " cc", 5))


@pytest.mark.parametrize("width", [8, 13, 40])
def test_no_line_is_wider_than_asked(width: int) -> None:
    text = "Wide 漢字 and (None, 64, 15) and averyveryverylongword " * 3
    assert max(map(cell_len, folded(text, width, indent=2, hang=2))) <= width


def test_padding_counts_cells() -> None:
    assert fill(Text("漢"), 4).plain == "漢  "
    assert fill(Text("abc"), 2).plain == "abc"


def test_joined_parts_keep_their_styles() -> None:
    line = joined(Text("a", "red"), Text("b"))
    assert line.plain == "ab"
    assert [(span.start, span.end) for span in line.spans] == [(0, 1)]


def test_every_glyph_has_an_ascii_form_of_its_width() -> None:
    for glyph in astuple(GLYPHS):
        assert to_ascii(glyph).isascii()
        assert cell_len(to_ascii(glyph)) == cell_len(glyph)


def test_a_line_that_starts_with_a_command_is_escaped() -> None:
    assert without_hidden(Text("::error::x")).plain == "\\x3a:error::x"
    same = Text("harmless", "red")
    assert without_hidden(same) is same
