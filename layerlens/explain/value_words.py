"""Write the value of an argument or of a state as a reader would."""

from __future__ import annotations

from typing import Any


def value_words(value: Any) -> str:
    """Return `none`, `true`, `0.001` or `[1, 2]`; numbers have at most six digits."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case list() | tuple():
            return f"[{', '.join(map(value_words, value))}]"
    return str(value)
