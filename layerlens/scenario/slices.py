"""Parse a NumPy slice such as `[:, -1]` from text."""

from __future__ import annotations

import re
from types import EllipsisType

from layerlens.plain.numbers import index_number

#: The index along one axis.
Index = int | slice | EllipsisType | None

_INTEGER = re.compile(r"[-+]?\d+")


def parse_select(text: str) -> tuple[Index, ...]:
    """Return the index that a text writes: `(slice(None), -1)` for `"[:, -1]"`.

    Raises:
        ValueError: the text is not a slice; its message says which part.
    """
    inner = text.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        raise ValueError(f'write a slice in brackets, such as "[:, -1]"; received "{text}"')
    inner = inner[1:-1].strip()
    if not inner:
        raise ValueError(f'"{text}" selects nothing; "[:]" is the whole output')
    parts = inner.removesuffix(",").split(",")
    index = tuple(_axis_index(part.strip(), text) for part in parts)
    if sum(item is Ellipsis for item in index) > 1:
        raise ValueError(f'"{text}" has more than one `...`')
    return index


def _axis_index(part: str, text: str) -> Index:
    if part == "...":
        return Ellipsis
    if part in ("None", "newaxis", "np.newaxis"):
        return None
    if _INTEGER.fullmatch(part):
        return index_number(part)
    bounds = [bound.strip() for bound in part.split(":")]
    if len(bounds) not in (2, 3) or not all(
        bound == "" or _INTEGER.fullmatch(bound) for bound in bounds
    ):
        raise ValueError(
            f'"{part}" in "{text}" is not an integer, a slice `start:stop:step`, `...` or `None`'
        )
    numbers = [index_number(bound) if bound else None for bound in bounds]
    if len(numbers) == 3 and numbers[2] == 0:
        raise ValueError(f'"{part}" in "{text}" has a step of 0')
    return slice(*numbers)
