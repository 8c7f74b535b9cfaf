"""Refuse outputs that would overwrite an input of the command."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

from layerlens.errors import LayerlensError, UsageError
from layerlens.fault_codes import Code
from layerlens.files import STDOUT
from layerlens.scenario.files import find_scenario_files, read_text
from layerlens.scenario.python_target import parse_target

#: The place of a matrix value in a text: `${name}`.
_PLACEHOLDER = re.compile(r"\$\{\s*(\w+)\s*\}")
#: The most texts that are made from one text with placeholders, more than a matrix may have cells.
_MOST_CELLS = 10_000


def refuse_overwriting(outputs: Sequence[str | None], paths: Sequence[str]) -> None:
    """Raise UsageError if an output is an input, or another output.

    Inputs are the scenarios, saved models and reports at the paths, and the files that scenarios
    name under `file:` and `python:`, even if the scenario has faults. Files are compared by
    identity, so that links to one file are the same file.

    Args:
        outputs: the files to write; None and "-" are standard output.
        paths: the arguments of the command.
    """
    files = [output for output in outputs if output is not None and output != STDOUT]
    for position, output in enumerate(files):
        if any(_is_same(output, other) for other in files[:position]):
            raise UsageError(
                f"two outputs have the same file {output}; give each its own file",
                code=Code.CANNOT_WRITE,
            )
    existing = [output for output in files if Path(output).is_file()]
    if not existing:
        return
    for path, what in _inputs(paths):
        for output in existing:
            if _is_same(output, path) or _is_inside(output, path):
                also = "" if str(path) == output else f" ({path})"
                raise UsageError(
                    f"cannot write to {output}: it is {what}{also}, which would be overwritten",
                    hint="name another file",
                    code=Code.CANNOT_WRITE,
                )


def _is_same(first: str, second: str | Path | int) -> bool:
    try:
        return os.path.samestat(Path(first).stat(), os.stat(second))  # noqa: PTH116
    except (OSError, ValueError):
        return isinstance(second, str) and os.path.realpath(first) == os.path.realpath(second)


def _is_inside(output: str, folder: str | Path | int) -> bool:
    """Return whether an output is in a folder that is an input itself, such as a SavedModel."""
    return isinstance(folder, Path) and folder.is_dir() and _is_beneath(output, folder)


def _is_beneath(output: str, folder: Path) -> bool:
    return Path(output).resolve().is_relative_to(folder.resolve())


def _inputs(paths: Sequence[str]) -> Iterator[tuple[str | Path | int, str]]:
    """Yield the inputs at the paths, with a description of each."""
    for path in paths:
        if path == STDOUT:
            yield sys.stdin.fileno(), "standard input"
        elif not Path(path).is_dir():
            yield path, "an input of this command"
            yield from ((file, "an input of this command") for file in _code_of(path))
    folders = [path for path in paths if path != STDOUT]
    try:
        files = find_scenario_files(folders) if folders else ()
    except UsageError:  # reported by the command itself
        return
    for file in files:
        yield str(file), "a scenario to be read"
        yield from _named_by(file)


def _code_of(text: str, folders: Sequence[Path] = (Path(),)) -> Iterator[Path]:
    """Yield the existing files that may have the code of a callable, looked for in some folders."""
    target = parse_target(text)
    if target is None:
        return
    place = target.source if target.is_file else f"{target.source.replace('.', '/')}.py"
    yield from (folder / place for folder in folders if (folder / place).is_file())


def _named_by(file: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that a scenario names; none if it cannot be parsed."""
    from layerlens.scenario.yaml.parse import parse_yaml

    if not file.is_file():  # a named pipe can be read only once
        return
    try:
        text = read_text(file)
        # Most scenarios name no file and need not be parsed, which is slow.
        data = parse_yaml(text, str(file)).value if re.search(r"file|python|\\", text) else None
    except LayerlensError:
        return
    matrix = data.get("matrix") if isinstance(data, dict) else None
    for key, value in _texts(data):
        for one in _substituted(value, matrix):
            if key == "file":
                yield file.parent / one, f"what {file} names under `file:`"
            elif key == "python":
                for place in _code_of(one, (file.parent, Path())):
                    yield place, f"what {file} names under `python:`"


def _texts(data: Any) -> Iterator[tuple[str, str]]:
    """Yield every `file` and `python` key with its text."""
    pending = [data]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield from (
                (key, item)
                for key, item in value.items()
                if isinstance(item, str) and key in ("file", "python")
            )
            pending += [item for item in value.values() if isinstance(item, (dict, list))]
        elif isinstance(value, list):
            pending += [item for item in value if isinstance(item, (dict, list))]


def _substituted(text: str, matrix: Any) -> Iterator[str]:
    """Yield the text for each combination of the matrix values that it refers to."""
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    axes: list[Any] = [matrix.get(name) if isinstance(matrix, dict) else None for name in names]
    if not all(isinstance(values, list) for values in axes):
        yield text
        return
    for values in islice(product(*axes), _MOST_CELLS):
        substitutes = dict(zip(names, map(_yaml_text, values), strict=True))
        yield _PLACEHOLDER.sub(partial(_substitute, substitutes), text)


def _substitute(substitutes: Mapping[str, str], found: re.Match[str]) -> str:
    return substitutes[found[1]]


def _yaml_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
