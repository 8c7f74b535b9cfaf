"""Outputs are held against inputs: what a command reads is never written over."""

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
from layerlens.files import STDOUT
from layerlens.scenario.files import find_scenario_files, read_text

#: A value of a scenario's matrix, put into a text.
_PLACEHOLDER = re.compile(r"\$\{\s*(\w+)\s*\}")
#: More values than these in one text are not tried; no scenario that runs has as many cells.
_MOST_CELLS = 10_000


def refuse_overwriting(outputs: Sequence[str | None], paths: Sequence[str]) -> None:
    """Raise UsageError where an output is a file that the paths name, or lead to.

    Inputs are the scenarios, saved models and reports at the paths, and what scenarios name under
    `file:` and `python:`, also those that are at fault. A file is known by what it is, and not by
    how its path is spelt: links to it are the same file.
    """
    named = [output for output in outputs if output is not None and output != STDOUT]
    for position, output in enumerate(named):
        if any(_is_same(output, other) for other in named[:position]):
            raise UsageError(f"two outputs were to be written to {output}; name two files")
    there = [output for output in named if Path(output).is_file()]
    if not there:
        return
    for path, what in _inputs(paths):
        for output in there:
            if _is_same(output, path) or _is_inside(output, path):
                also = "" if str(path) == output else f" ({path})"
                raise UsageError(
                    f"cannot write to {output}: it is {what}{also}, which would be lost",
                    hint="name another file",
                )


def _is_same(first: str, second: str | Path | int) -> bool:
    try:
        return os.path.samestat(Path(first).stat(), os.stat(second))  # noqa: PTH116
    except (OSError, ValueError):
        return isinstance(second, str) and os.path.realpath(first) == os.path.realpath(second)


def _is_inside(output: str, folder: str | Path | int) -> bool:
    """Tell whether an output lies in a folder that is read as one thing, such as a SavedModel."""
    return isinstance(folder, Path) and folder.is_dir() and _is_beneath(output, folder)


def _is_beneath(output: str, folder: Path) -> bool:
    return Path(output).resolve().is_relative_to(folder.resolve())


def _inputs(paths: Sequence[str]) -> Iterator[tuple[str | Path | int, str]]:
    """Yield what the paths lead to, and what each is."""
    for path in paths:
        if path == STDOUT:
            yield sys.stdin.fileno(), "what is read from standard input"
        elif not Path(path).is_dir():
            yield path, "an input of this command"
    folders = [path for path in paths if path != STDOUT]
    try:
        files = find_scenario_files(folders) if folders else ()
    except UsageError:  # there is nothing to read, which whoever reads it says
        return
    for file in files:
        yield str(file), "a scenario to be read"
        yield from _named_by(file)


def _named_by(file: Path) -> Iterator[tuple[Path, str]]:
    """Yield what a scenario names; of a file that is no YAML nothing."""
    from layerlens.scenario.yaml.parse import parse_yaml

    if not file.is_file():  # what a named pipe gives is there once
        return
    try:
        text = read_text(file)
        # Most scenarios name no file, and parsing them takes a while.
        data = parse_yaml(text, str(file)).value if re.search(r"file|python|\\", text) else None
    except LayerlensError:
        return
    matrix = data.get("matrix") if isinstance(data, dict) else None
    for key, value in _texts(data):
        for one in _filled(value, matrix):
            if key == "file":
                yield file.parent / one, f"what {file} names under `file:`"
            elif key == "python":
                module = one.partition(":")[0]
                for place in (module, f"{module.replace('.', '/')}.py"):
                    yield from (
                        (folder / place, f"what {file} names under `python:`")
                        for folder in (file.parent, Path())
                        if (folder / place).is_file()
                    )


def _texts(data: Any) -> Iterator[tuple[str, str]]:
    """Yield every key whose value is a text, and the text."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from (
                (key, item)
                for key, item in value.items()
                if isinstance(item, str) and key in ("file", "python")
            )
            waiting += [item for item in value.values() if isinstance(item, (dict, list))]
        elif isinstance(value, list):
            waiting += [item for item in value if isinstance(item, (dict, list))]


def _filled(text: str, matrix: Any) -> Iterator[str]:
    """Yield the text with each of the matrix' values in the places it is asked for."""
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    axes: list[Any] = [matrix.get(name) if isinstance(matrix, dict) else None for name in names]
    if not all(isinstance(values, list) for values in axes):
        yield text
        return
    for values in islice(product(*axes), _MOST_CELLS):
        written = dict(zip(names, map(_written, values), strict=True))
        yield _PLACEHOLDER.sub(partial(_value_of, written), text)


def _value_of(written: Mapping[str, str], found: re.Match[str]) -> str:
    return written[found[1]]


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
