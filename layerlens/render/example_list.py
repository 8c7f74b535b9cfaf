"""Render the list of examples for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from layerlens.plain.printable import one_line
from layerlens.scenario.gallery import Example

#: Columns of the names, with the space behind them.
_NAMES = 28


def render_examples(examples: Iterable[Example], width: int) -> str:
    """Return a line for each example: its name and its question, folded to the width."""
    lines: list[str] = []
    prose = min(width, 100)
    for one in examples:
        indent = " " * (_NAMES if prose >= 2 * _NAMES else 4)
        name = f"{one.name} ".ljust(len(indent))
        start = name if len(name) <= _NAMES <= prose // 2 else indent
        if start is indent:
            lines.append(one.name)
        lines += textwrap.wrap(
            one_line(one.question), prose, initial_indent=start, subsequent_indent=indent
        )
    return "\n".join([*lines, ""])
