"""Format and parse sizes in bytes: `2 GB`, `1500M`, `2GiB`."""

from __future__ import annotations

import re

_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB", "EB")


def readable(count: int) -> str:
    """Return a number of bytes with a decimal unit: 720.0 GB."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:,.1f} {_UNITS[unit]}" if unit else f"{count} bytes"


def parse(text: str) -> int | None:
    """Return a size in bytes: `2G` is 2·10⁹, `2GiB` is 2·2³⁰; None if the text is no size."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i)?B?", text.strip(), re.IGNORECASE)
    if not found:
        return None
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(unit.upper() or " "))
