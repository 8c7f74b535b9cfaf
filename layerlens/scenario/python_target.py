"""The text that names a callable: `module:callable` or `path/to/file.py:callable`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
MODULE_CALLABLE = re.compile(f"{_NAME}:{_NAME}")
_FILE_CALLABLE = re.compile(rf"(?P<file>.*\.py):(?P<callable>{_NAME})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """A callable in a module, or in a Python file; `source` is the module or the file."""

    source: str
    callable: str
    is_file: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.callable}"


def parse_target(text: str) -> PythonTarget | None:
    """Return the callable that a text names; None if it has neither form."""
    if (found := _FILE_CALLABLE.fullmatch(text)) is not None:
        return PythonTarget(found["file"], found["callable"], is_file=True)
    if MODULE_CALLABLE.fullmatch(text):
        module, _, name = text.partition(":")
        return PythonTarget(module, name, is_file=False)
    return None
