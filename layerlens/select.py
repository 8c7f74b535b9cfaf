"""The text of a NumPy slice becomes the index it stands for."""

from __future__ import annotations

import re
from types import EllipsisType

Index = int | slice | EllipsisType | None

_PART = re.compile(r"^(?:(?P<int>[+-]?\d+)|(?P<dots>\.\.\.)|(?P<none>None|newaxis|np\.newaxis))$")
_SLICE = re.compile(r"^(?:[+-]?\d+)?(?::(?:[+-]?\d+)?){1,2}$")


def parse_select(text: str) -> tuple[Index, ...]:
    """Return the index that `"[:, -1]"` means.

    Integers, slices, `...` and `None` are allowed. Raises ValueError that says what is not.
    """
    stripped = text.strip()
    if not (stripped.startswith("[") and stripped.endswith("]")):
        raise ValueError(f'a NumPy slice in brackets such as "[:, -1]" is needed, not {text!r}')
    parts = [part.strip() for part in stripped[1:-1].split(",")]
    if parts and parts[-1] == "" and len(parts) > 1:
        parts.pop()
    return tuple(_index(part, text) for part in parts)


def _index(part: str, text: str) -> Index:
    match = _PART.match(part)
    if match and match["int"]:
        return int(part)
    if match and match["dots"]:
        return ...
    if match:
        return None
    if _SLICE.match(part):
        return slice(*(int(bound) if bound.strip() else None for bound in part.split(":")))
    raise ValueError(
        f"{part!r} in {text!r} is not an integer, a slice such as 1:-1, `...` or `None`"
    )
