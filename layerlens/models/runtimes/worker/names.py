"""The order of the names of inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable


def natural(name: str) -> tuple[str, int]:
    """Return a sort key with which `output_10` comes after `output_2`."""
    found = re.fullmatch(r"(.*?)(\d*)", name)
    return (found[1], int(found[2] or -1)) if found else (name, -1)


def are_numbered(names: Iterable[str]) -> bool:
    """Return whether outputs have the names of a list of them, and not of a mapping."""
    return all(re.fullmatch(r"output_\d+|Identity(_\d+)?", name) for name in names)
