"""Find the allowed name that a misspelt one most resembles."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest_names(
    name: str,
    allowed: Iterable[str],
    *,
    most: int = 1,
    cutoff: float = 0.6,
    match_case: bool = False,
) -> list[str]:
    """Return the allowed names most like `name`, the best first.

    Args:
        name: the name as it was written.
        allowed: the names to choose from; of two that differ in case alone the last one counts.
        most: how many names are returned at most.
        cutoff: how alike two names have to be, from 0 to 1 (`difflib.SequenceMatcher.ratio`).
        match_case: whether `A` and `a` are different letters.
    """
    fold = str if match_case else str.casefold
    by_folded = {fold(item): item for item in allowed}
    found = get_close_matches(fold(name), by_folded, n=most, cutoff=cutoff)
    return [by_folded[item] for item in found]


def nearest_name(
    name: str, allowed: Iterable[str], *, cutoff: float = 0.6, match_case: bool = False
) -> str | None:
    """Return the allowed name most like `name`, None where there is none alike."""
    found = nearest_names(name, allowed, cutoff=cutoff, match_case=match_case)
    return found[0] if found else None
