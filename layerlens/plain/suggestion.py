"""Find the allowed name that is most like a misspelt one."""

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
        name: the misspelt name.
        allowed: the names to choose from; of two that differ only in case, the last one counts.
        most: the greatest number of names returned.
        cutoff: the least similarity, from 0 to 1 (`difflib.SequenceMatcher.ratio`).
        match_case: whether `A` and `a` differ.
    """
    fold = str if match_case else str.casefold
    by_folded = {fold(item): item for item in allowed}
    found = get_close_matches(fold(name), by_folded, n=most, cutoff=cutoff)
    return [by_folded[item] for item in found]


def nearest_name(
    name: str, allowed: Iterable[str], *, cutoff: float = 0.6, match_case: bool = False
) -> str | None:
    """Return the allowed name most like `name`; None if no name is similar."""
    found = nearest_names(name, allowed, cutoff=cutoff, match_case=match_case)
    return found[0] if found else None
