"""Find the allowed name that is most like a misspelt or abbreviated one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
#: The least length of an abbreviation: `k` could be anything.
_SHORTEST_ABBREVIATION = 3


def nearest_names(
    name: str,
    allowed: Iterable[str],
    *,
    most: int = 1,
    cutoff: float = 0.6,
    match_case: bool = False,
) -> list[str]:
    """Return the allowed names most like `name`, the best first.

    Names a typing error away come first, then those that `name` abbreviates, then similar ones.

    Args:
        name: the misspelt name.
        allowed: the names to choose from; of two that differ only in case, the last one counts.
        most: the greatest number of names returned.
        cutoff: the least similarity, from 0 to 1 (`difflib.SequenceMatcher.ratio`).
        match_case: whether `A` and `a` differ.
    """
    fold = str if match_case else str.casefold
    by_folded = {fold(item): item for item in allowed}
    folded = fold(name)
    near = [item for item in _misspelt(folded, by_folded) if _ratio(folded, item) >= cutoff]
    short = [] if match_case else [fold(item) for item in _abbreviated(name, by_folded.values())]
    alike = get_close_matches(folded, by_folded, n=len(by_folded) or 1, cutoff=cutoff)
    found = dict.fromkeys([*near, *short, *alike])
    return [by_folded[item] for item in found][:most]


def nearest_name(
    name: str, allowed: Iterable[str], *, cutoff: float = 0.6, match_case: bool = False
) -> str | None:
    """Return the allowed name most like `name`; None if no name is similar."""
    found = nearest_names(name, allowed, cutoff=cutoff, match_case=match_case)
    return found[0] if found else None


def sure_name(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that `name` clearly stands for; None if there is none, or several.

    That is a name that differs in case or separators only, is one or two typing errors away, or
    is the only one that `name` abbreviates.
    """
    names = list(dict.fromkeys(allowed))
    same = [item for item in names if _bare(item) == _bare(name)]
    if same:
        return same[0]
    by_folded = {item.casefold(): item for item in names}
    folded = name.casefold()
    near = _misspelt(folded, by_folded)
    if near:
        first, *others = near
        if others and _rank(folded, others[0])[:2] == _rank(folded, first)[:2]:
            return None
        return by_folded[first]
    short = _abbreviated(name, names)
    return short[0] if len(short) == 1 else None


def typing_errors(one: str, other: str) -> int:
    """Return how many letters are added, left out, replaced or exchanged with the next one.

    This is the optimal string alignment distance: `modles` is one error away from `models`.
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, other_letter in enumerate(other, 1):
            least = min(
                last[column] + 1,
                current[-1] + 1,
                last[column - 1] + (letter != other_letter),
            )
            exchanged = row > 1 and column > 1 and one[row - 2] == other_letter
            if exchanged and letter == other[column - 2]:
                least = min(least, before[column - 2] + 1)
            current.append(least)
        before, last = last, current
    return last[-1]


def _misspelt(name: str, names: Iterable[str]) -> list[str]:
    """Return the names that are one typing error away (two for longer names), the best first."""
    most = 0 if len(name) < 2 else 1 if len(name) < 6 else 2
    near = [
        item
        for item in names
        if abs(len(item) - len(name)) <= most and typing_errors(name, item) <= most
    ]
    return sorted(near, key=lambda item: _rank(name, item))


def _rank(name: str, item: str) -> tuple[int, bool, float]:
    """Return how far a name is: by errors, then whether its letters differ, then by likeness."""
    return typing_errors(name, item), sorted(name) != sorted(item), -_ratio(name, item)


def _ratio(name: str, item: str) -> float:
    return SequenceMatcher(None, item, name).ratio()


def _abbreviated(name: str, names: Iterable[str]) -> list[str]:
    """Return the names that `name` abbreviates: `ret_seq` is `return_sequences`."""
    if len(name) < _SHORTEST_ABBREVIATION:
        return []
    words = [word.casefold() for word in _WORDS.findall(name)]
    full, cut = [], []
    for item in names:
        whole = [word.casefold() for word in _WORDS.findall(item)]
        if len(whole) == len(words) and all(map(_shortens, words, whole)):
            full.append(item)
        elif _bare(item).startswith(_bare(name)):
            cut.append(item)
    return full or cut


def _shortens(word: str, whole: str) -> bool:
    """Return whether a word has letters of a whole one, in order, from the first on."""
    letters = iter(whole)
    return word[0] == whole[0] and all(letter in letters for letter in word)


def _bare(name: str) -> str:
    """Return a name without its case and separators."""
    return re.sub(r"[-_ ]", "", name).casefold()
