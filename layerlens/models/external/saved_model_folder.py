"""The files of a SavedModel folder, before TensorFlow reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

#: Where a SavedModel keeps its variables: one index, and the parts that it names.
_VARIABLES = "variables"
_INDEX = "variables.index"
_PART = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")


def folder_problem(folder: Path) -> str | None:
    """Return what is missing in a folder, or is no file; None if TensorFlow can be given it.

    Links are followed, as in folders whose files are stored elsewhere. TensorFlow would wait
    without an end for a pipe.
    """
    variables = folder / _VARIABLES
    try:
        names = sorted(entry.name for entry in variables.iterdir())
    except FileNotFoundError:
        return None  # a function may have no variables
    except OSError as error:
        return f"`{_VARIABLES}` cannot be read: {error.strerror}"
    for name in names:
        place = variables / name
        if place.is_symlink() and not place.exists():
            return f"`{_VARIABLES}/{name}` is a link to {place.readlink()}, which does not exist"
        if not place.is_file():
            return f"`{_VARIABLES}/{name}` is not a file"
    missing = next(_missing(names), None)
    return None if missing is None else f"`{_VARIABLES}/{missing}` is missing"


def _missing(names: list[str]) -> Iterator[str]:
    parts = [found for name in names if (found := _PART.fullmatch(name))]
    if bool(parts) != (_INDEX in names):
        yield _INDEX if parts else "variables.data-00000-of-00001"
    for count in {int(part[2]) for part in parts}:
        present = {int(part[1]) for part in parts if int(part[2]) == count}
        absent = next((n for n in range(count) if n not in present), None)
        if absent is not None:
            yield f"variables.data-{absent:05d}-of-{count:05d}"
