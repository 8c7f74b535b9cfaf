"""Fold, pad and clean styled lines of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from layerlens.plain.printable import clean


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of boxes and signs."""

    horizontal: str = "─"
    vertical: str = "│"
    cross: str = "┼"
    corner: str = "└"
    differing: str = "≠"
    minus: str = "−"
    right: str = "✔"
    wrong: str = "✘"
    neutral: str = "•"
    seen: str = "●"
    unseen: str = "·"


GLYPHS = Glyphs()

#: Every non-ASCII character that layerlens writes → an ASCII one of the same width.
_TO_ASCII = str.maketrans(
    {
        "─": "-",
        "│": "|",
        "┼": "+",
        "└": "`",
        "≠": "!",
        "−": "-",
        "✔": "+",
        "✘": "x",
        "•": "*",
        "●": "#",
        "·": "-",
        "×": "x",
        "→": ">",
        "–": "-",
        "≤": "<",
        "≥": ">",
        "…": ".",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
    }
)


def to_ascii(text: str) -> str:
    """Return the text with layerlens' own characters replaced by ASCII ones of the same width."""
    return text.translate(_TO_ASCII)


@cache
def _console() -> Console:
    return Console(width=1000, color_system=None)


#: A space at which a line must not be broken; `fold` replaces it by a space.
NO_BREAK = "\ue000"
_SHAPE = re.compile(r"\((?:None|[\d,]+)(?:, (?:None|[\d,]+))*,?\)")


def keep_together(text: str) -> str:
    """Return the text with spaces at which no line is broken."""
    return text.replace(" ", NO_BREAK)


def _keep_shapes_whole(text: Text, room: int) -> Text:
    """Keep the words of each shape together, unless it is too long for a line."""
    words = _SHAPE.sub(lambda found: keep_together(found[0]), text.plain).split(" ")
    whole = text.copy()
    whole.plain = " ".join(
        word if cell_len(word) <= room else word.replace(NO_BREAK, " ") for word in words
    )
    return whole


def _with_spaces(line: Text) -> Text:
    line.plain = line.plain.replace(NO_BREAK, " ")
    return line


def fold(text: Text, width: int, *, indent: int = 0, hang: int = 0) -> list[Text]:
    """Return the text as lines of at most `width` cells, broken at spaces.

    All lines are indented by `indent`, and those after the first by `hang` more. A word longer than
    a line is broken, never cut.
    """
    # At least half the width is left for the text.
    indent = min(indent, width // 2)
    room = max(4, width - indent - hang)
    if text.cell_len <= width - indent and "\n" not in text.plain:
        return [_with_spaces(joined(Text(" " * indent), text))]
    lines: list[Text] = []
    for part in _keep_shapes_whole(text, room).split("\n", allow_blank=True):
        first, *rest = part.wrap(_console(), max(4, width - indent), overflow="fold") or [Text()]
        if rest and hang:
            tail = part[len(first.plain) :]
            tail = tail[len(tail.plain) - len(tail.plain.lstrip()) :]
            rest = list(tail.wrap(_console(), room, overflow="fold"))
        lines.append(joined(Text(" " * indent), _with_spaces(first)))
        lines += [joined(Text(" " * (indent + hang)), _with_spaces(line)) for line in rest]
    return lines


def fill(text: Text, width: int) -> Text:
    """Return the text padded on the right to `width` cells."""
    return joined(text, Text(" " * max(0, width - text.cell_len)))


def joined(*parts: Text) -> Text:
    """Return the parts joined to one text, each in its own style."""
    return Text.assemble(*parts)


def without_hidden(line: Text) -> Text:
    """Return the line; without its styles if folding made it start with a command."""
    safe = clean(line.plain)
    return line if safe == line.plain else Text(safe)


def rule(line: str) -> Text:
    """Return a horizontal rule in a dim style."""
    return Text(line, style="dim")
