"""Say in plain words why a text is not YAML, at the line that caused it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.error import MarkedYAMLError

from layerlens.scenario.yaml.positions import Position
from layerlens.scenario.yaml.scalars import restore_placeholders

_CLOSING = {"{": "}", "[": "]"}
_TOKEN = re.compile(r"(?:found|but got|but found) '?(?P<token><[\w ]+>|\\t|[^'\s]+)'?")
#: A key and a bracket without the `:` between them.
_KEY_AND_BRACKET = re.compile(r"\s*(?:- )?(?P<key>[A-Za-z_]\w*)\s*[\[{]")
_KEY_ONLY = re.compile(r"\s*[A-Za-z_]\w*\s*(?:#.*)?")
_SPACES = "indent with spaces; YAML allows no tabs there"
_IN_QUOTES = "put the text in quotes"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do."""

    message: str
    at: Position | None
    hint: str | None = None


def problem_of(error: MarkedYAMLError, text: str) -> Problem:
    """Return what an error of the parser means for the person who wrote the text."""
    return _Reader(error, text.split("\n")).problem()


def _place(mark: Any) -> Position | None:
    return (mark.line + 1, mark.column + 1) if mark is not None else None


class _Reader:
    """Reads one error of the parser, with the lines of the text at hand."""

    def __init__(self, error: MarkedYAMLError, lines: list[str]) -> None:
        self.lines = lines
        self.at = _place(error.problem_mark) or _place(error.context_mark)
        self.since = _place(error.context_mark)
        self.what = _one_line(error.problem)
        self.context = _one_line(error.context)
        found = _TOKEN.search(self.what)
        self.token = found["token"] if found else ""

    def problem(self) -> Problem:
        if "\\t" in self.what or "tab" in self.what.lower():
            return Problem("a tab stands where YAML allows spaces only", self.at, _SPACES)
        if "found incompatible YAML" in self.what:
            hint = "scenarios are YAML 1.2: leave %YAML out"
            return Problem("an unknown version of YAML", self.at, hint)
        found = (
            self._without_colon()
            or self._quoted()
            or self._in_brackets()
            or self._in_block()
            or self._at_one_character()
        )
        if found is not None:
            return found
        told = f"{self.context}, {self.what}" if self.context else self.what
        return Problem(restore_placeholders(told or "it cannot be read"), self.at)

    def _line(self, at: Position | None) -> str:
        return self.lines[at[0] - 1] if at and at[0] <= len(self.lines) else ""

    def _without_colon(self) -> Problem | None:
        """Return the problem of a key whose `:` is missing, if that is the cause."""
        line = self._line(self.at)
        missing = _KEY_AND_BRACKET.match(line)
        if missing is not None and self.at is not None and self.token in ("}", "]", ":", ""):
            at = (self.at[0], missing.end("key") + 1)
            key = missing["key"]
            return Problem(f"a `:` is missing after `{key}`", at, f"write `{key}: ...`")
        if "could not find expected ':'" in self.what:
            return Problem("this line has no `:` after its key", self.since, "write `key: value`")
        if "mapping values are not allowed here" in self.what and self.at is not None:
            before = self._line((self.at[0] - 1, 1)) if self.at[0] > 1 else ""
            if _KEY_ONLY.fullmatch(before):
                at = (self.at[0] - 1, len(before.rstrip()) + 1)
                return Problem(f"a `:` is missing after `{before.split()[0]}`", at)
            if before.strip() and _indent(line) > _indent(before):
                return self._indentation(self.at)
            return Problem("a second `: ` in one value", self.at, f"{_IN_QUOTES}: 'like: this'")
        return None

    def _quoted(self) -> Problem | None:
        if "scanning a quoted scalar" in self.context or "-quoted scalar" in self.context:
            if "escape" in self.what:
                character = self.what.rpartition("character ")[2].strip("'")
                return Problem(
                    f"`\\{character}` means nothing in double quotes",
                    self.at,
                    "use single quotes, or write `\\\\` for one backslash",
                )
            return Problem("the quote that starts here is never closed", self.since)
        return None

    def _in_brackets(self) -> Problem | None:
        """Return the problem of a list in brackets or a mapping in braces."""
        if "parsing a flow" not in self.context or self.since is None or self.at is None:
            return None
        opening = "{" if "mapping" in self.context else "["
        closing = _CLOSING[opening]
        if self.token in ("}", "]"):
            line, column = self.since
            message = f"`{self.token}` where a `{closing}` is needed"
            return Problem(message, self.at, f"the `{opening}` is at line {line}, column {column}")
        if self.at[0] > self.since[0] or "end>" in self.token:
            hint = f"write `{closing}` where it ends"
            if self.at[0] > self.since[0]:
                hint += f", before line {self.at[0]}"
            return Problem(f"this `{opening}` is never closed", self.since, hint)
        return Problem(f"a comma or a `{closing}` is missing before this", self.at)

    def _in_block(self) -> Problem | None:
        """Return the problem of lines below each other."""
        if "expected <block end>" in self.what and self.at is not None and self.since is not None:
            if self.token in ("}", "]"):
                opening = "{" if self.token == "}" else "["
                return Problem(f"this `{self.token}` has no `{opening}` before it", self.at)
            line = self._line(self.at)
            if line[: self.at[1] - 1].strip():  # not the first of its line
                return Problem("text follows a value that has ended", self.at, _IN_QUOTES)
            if self.token == "?" and "collection" in self.context:
                message = f"a key stands here, and the list of line {self.since[0]} has items only"
                return Problem(message, self.at, "start each item with `- `")
            return self._indentation(self.at)
        if "sequence entries are not allowed here" in self.what:
            return Problem(
                "a list cannot start behind its key",
                self.at,
                "write each `- item` on a line of its own, or `[item, item]`",
            )
        if "parsing a block" in self.context and "did not find expected" in self.what:
            return self._indentation(self.at)
        return None

    def _indentation(self, at: Position | None) -> Problem:
        hint = "lines that belong together start in the same column"
        for number in range((at or (1, 1))[0] - 1, 0, -1):
            before = self.lines[number - 1]
            if before.strip() and not before.lstrip().startswith("#"):
                hint += f"; line {number} starts in column {_indent(before) + 1}"
                break
        return Problem("this line is indented unlike the lines before it", at, hint)

    def _at_one_character(self) -> Problem | None:
        if "that cannot start any token" in self.what:
            character = self.what.partition("character ")[2].partition(" that")[0].strip("'\"")
            return Problem(f'text cannot start with "{character}"', self.at, _IN_QUOTES)
        if "chomping or indentation" in self.what:
            hint = "begin the text on the next line, indented"
            return Problem("text follows the `|` or `>` on its line", self.at, hint)
        if "expected the node content" in self.what:
            return Problem("a value is missing here", self.at)
        return None


def _one_line(text: object) -> str:
    return " ".join(str(text).split()) if text else ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
