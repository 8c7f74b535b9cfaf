"""Find the phrases that `[tool.odd-phrases]` of pyproject.toml lists, in prose that users read.

    python tests/prose/odd_phrases.py [PATH...]

Without a path it searches those that the table names. It reads Markdown, YAML and HTML as they
are, and in Python files the strings, docstrings and comments. A phrase may cross the end of a line.
It prints one line for each phrase that it finds, and exits with status 1 if there is one.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {".md", ".py", ".html", ".yaml", ".yml"}

#: What may stand between two words of a phrase: also the mark of a comment or quotation in the
#: next line.
GAP = r"\s+(?:[#>]\s*)?"


@dataclass(frozen=True)
class Found:
    """A phrase at a line of a file, and what to write instead."""

    path: Path
    line: int
    phrase: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: odd phrase `{self.phrase}`: {self.instead}"


def passages(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the prose of a file, piece by piece, each with the line in which it starts."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield 1, text
        return
    yield from strings(ast.parse(text))
    yield from comments(text)


def strings(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the strings and docstrings below a node; adjacent literals are one string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        yield node.lineno, "".join(map(str, parts))
    else:
        for child in ast.iter_child_nodes(node):
            yield from strings(child)


def comments(code: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of Python code; those on consecutive lines are one."""
    start, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != start + len(lines):
            yield start, "\n".join(lines)
            start, lines = token.start[0], []
        lines.append(token.string)
    yield start, "\n".join(lines)


def pattern_of(phrases: dict[str, str]) -> re.Pattern[str]:
    """Return what matches each of the phrases, as words of any case."""
    spelled = (GAP.join(map(re.escape, phrase.split())) for phrase in phrases)
    return re.compile(rf"\b(?:{'|'.join(spelled)})\b", re.IGNORECASE)


def find(path: Path, phrases: dict[str, str]) -> list[Found]:
    """Return the phrases in a file, in the order of their lines."""
    pattern = pattern_of(phrases)
    found = []
    for line, text in passages(path):
        for match in pattern.finditer(text):
            at = line + text.count("\n", 0, match.start())
            phrase = " ".join(re.split(GAP, match.group().lower()))
            found.append(Found(path, at, phrase, phrases[phrase]))
    return sorted(found, key=lambda one: one.line)


def files(paths: list[Path]) -> Iterator[Path]:
    """Yield the files named, and those with prose in the folders named."""
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES)
        else:
            yield path


def main(arguments: list[str]) -> int:
    """Search the files and return the exit status."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["odd-phrases"]
    paths = [Path(name) for name in arguments] or [ROOT / name for name in table["paths"]]
    found = [each for path in files(paths) for each in find(path, table["phrases"])]
    for each in found:
        print(each)  # noqa: T201 - a script
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
