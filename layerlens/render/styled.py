"""Fold, fill and clean styled lines of text."""

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
    horizontal: str = "─"
    vertical: str = "│"
    cross: str = "┼"
    corner: str = "└"
    unlike: str = "≠"
    minus: str = "−"
    right: str = "✔"
    wrong: str = "✘"
    neutral: str = "•"
    seen: str = "●"
    unseen: str = "·"


GLYPHS = Glyphs()

#: Every character of our own that is not ASCII, and one of the same width that is.
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
    """Return the text with our own characters replaced by ASCII ones of the same width."""
    return text.translate(_TO_ASCII)


@cache
def _console() -> Console:
    return Console(width=1000, color_system=None)


#: Stands for a space at which a line must not be broken; never reaches the page.
STICKY = "\ue000"
_SHAPE = re.compile(r"\((?:None|[\d,]+)(?:, (?:None|[\d,]+))*,?\)")


def sticky(text: str) -> str:
    return text.replace(" ", STICKY)


def _keep_shapes_whole(text: Text, room: int) -> Text:
    """Make the spaces inside shapes sticky; in a word too long for a line none are."""
    words = _SHAPE.sub(lambda found: sticky(found[0]), text.plain).split(" ")
    whole = text.copy()
    whole.plain = " ".join(
        word if cell_len(word) <= room else word.replace(STICKY, " ") for word in words
    )
    return whole


def _released(line: Text) -> Text:
    line.plain = line.plain.replace(STICKY, " ")
    return line


def fold(text: Text, width: int, *, indent: int = 0, hang: int = 0) -> list[Text]:
    """Return the text as lines of at most `width`, broken at spaces, indented.

    Lines after the first hang by `hang` more. A word longer than the room is broken, never cut.
    """
    # However deep the indent, half the width is left to write in.
    indent = min(indent, width // 2)
    room = max(4, width - indent - hang)
    if text.cell_len <= width - indent and "\n" not in text.plain:
        return [_released(joined(Text(" " * indent), text))]
    lines: list[Text] = []
    for part in _keep_shapes_whole(text, room).split("\n", allow_blank=True):
        first, *rest = part.wrap(_console(), max(4, width - indent), overflow="fold") or [Text()]
        if rest and hang:
            tail = part[len(first.plain) :]
            tail = tail[len(tail.plain) - len(tail.plain.lstrip()) :]
            rest = list(tail.wrap(_console(), room, overflow="fold"))
        lines.append(joined(Text(" " * indent), _released(first)))
        lines += [joined(Text(" " * (indent + hang)), _released(line)) for line in rest]
    return lines


def fill(text: Text, width: int) -> Text:
    """Return the text padded on the right to `width` cells."""
    return joined(text, Text(" " * max(0, width - text.cell_len)))


def joined(*parts: Text) -> Text:
    """Return the parts in a row, each in its own style and not in that of the first."""
    return Text.assemble(*parts)


def without_hidden(line: Text) -> Text:
    """Return the line; without its styles where folding has begun it with a command."""
    safe = clean(line.plain)
    return line if safe == line.plain else Text(safe)


def rule(line: str) -> Text:
    return Text(line, style="dim")
