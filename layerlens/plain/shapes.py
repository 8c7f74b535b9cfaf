"""Format shapes as text."""

from __future__ import annotations

from collections.abc import Sequence


def shape_text(shape: Sequence[object]) -> str:
    """Return one shape as Python prints a tuple: `(None, 8)`, `(None,)`."""
    inner = ", ".join(map(str, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
