"""What no output may hold, whatever the texts in it are; and texts that try."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

#: Each is put in front of every name, title, path and message.
HOSTILE = {
    "commands": "::error::one\n::error file=x::two\r::warning::three ##[error]four ",
    "indented": "  ::add-mask::a\n \t::set-output name=b::c\n\n::stop-commands::d ",
    "wrapped": "a" * 37 + " ::error::one" + "b" * 60 + "::error::two ##[group]",
    "glued": "::error::" * 30,
    "separators": "a\u2028::error::b\u2029::error::c\x85::error::d\x0b::error::e\x1c::error::f",
    "controls": "\x00\x07\x08\x1b[31mred\x1b]0;title\x07\x7f\x9b31m\x90 ",
    "directions": "\u202e\u2066\u200f\u061c\ufeff\u200b\U000e0041 txet ",
    "surrogates": "\ud800 \udfff\udc1b ",
    "formula": "=1+1",
    "formula_after_tab": "\t=1+1",
    "formula_after_cr": "\r@SUM(1)",
    "negative": "-2+3",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}</textarea>--><b>",
    "markdown": "![image](http://x.y/z) [link](javascript:alert(1)) <https://x.y> www.x.y |\n# h\n",
    "quotes": "\"\"\"'''\\\"\\' %0A::error::z %25",
}

#: All that may stand anywhere in a text, in one.
MIXED = " ".join(HOSTILE[name] for name in HOSTILE if name not in ("wrapped", "glued"))
#: Where a text begins matters to a spreadsheet alone, and how it is wrapped to a terminal.
FORMULAS = ("formula", "formula_after_tab", "formula_after_cr", "negative")

_DIRECTIONS = {"RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI"}
_MARKS = "\u061c\u200e\u200f"
#: A command of GitHub's runner, which trims lines first; colours of our own stand apart.
_COMMAND = re.compile(r"^(?:\s|\x1b\[[0-9;]*m)*::")
_OWN_COMMAND = re.compile(r"::error file=[^,:]*,line=\d+,col=\d+,title=[^,:]*::")


def faults(text: str, kind: str = "text", *, colour: bool = False) -> Iterator[str]:
    """Yield what a text must not hold in a format; the kind "text" is for a terminal or a log."""
    if colour:
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    for character in sorted(set(text)):
        if unicodedata.category(character) == "Cc" and character != "\n":
            yield f"a control character {character!r}"
        elif unicodedata.category(character) in ("Cs", "Zl", "Zp"):
            yield f"a character {character!r}"
        elif unicodedata.bidirectional(character) in _DIRECTIONS or character in _MARKS:
            yield f"a change of direction {character!r}"
    for line in text.splitlines():
        if _COMMAND.match(line) and not (kind == "github" and _OWN_COMMAND.match(line)):
            yield f"a command: {line[:60]!r}"
        if re.search(r"##\[", line):
            yield f"an old command: {line[:60]!r}"
    yield from _FORMATS.get(kind, _nothing)(text)


def _nothing(text: str) -> Iterator[str]:
    yield from ()


def _in_csv(text: str) -> Iterator[str]:
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            if cell[:1] in tuple("=+-@\t\r") and cell and not _is_number(cell):
                yield f"a formula: {cell[:60]!r}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _in_json(text: str) -> Iterator[str]:
    json.loads(text)
    yield from ()


def _in_markdown(text: str) -> Iterator[str]:
    # Neither what is escaped is live, nor what is code, where a backslash escapes nothing.
    bare = re.sub(r"\\.|`[^`\n]*`", "", text)
    own = r"br>|/?sub>|/?details>|details open>|/?summary>"
    for live in re.findall(rf"<(?!{own})[^>]*|!\[|\]\(|https?:|www\.|javascript:", bare):
        if live != "javascript:":  # a link only inside brackets
            yield f"live Markdown: {live[:60]!r}"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag in ("img", "iframe", "object", "embed", "base", "link", "form", "b"):
            self.faults.append(f"an element <{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name in ("src", "srcset", "action", "formaction"):
                self.faults.append(f"an attribute {name}")
            if name.endswith("href") and not (value or "").startswith(_WITHIN):
                self.faults.append(f"a link to {value!r}")
            if name == "style" and "url(" in (value or "") and "url(#" not in (value or ""):
                self.faults.append(f"a style {value!r}")


#: What a page may refer to: places in it, and pictures that it holds.
_WITHIN = ("#", "data:image/png;base64,")


def _in_html(text: str) -> Iterator[str]:
    page = _Page()
    page.feed(text)
    yield from page.faults
    if page.scripts > 1:
        yield f"{page.scripts} scripts"


_FORMATS: dict[str, Any] = {
    "csv": _in_csv,
    "json": _in_json,
    "markdown": _in_markdown,
    "html": _in_html,
}
