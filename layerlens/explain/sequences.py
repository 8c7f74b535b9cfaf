"""Align two sequences of keys: what is equal, replaced, or in one of them only."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby

#: As in `difflib`: "equal", "replace", "delete" or "insert", and the ranges in both sequences.
Opcode = tuple[str, int, int, int, int]

#: With more pairs between the equal beginning and the equal end, keys are compared in order. The
#: time that `difflib` takes grows faster than the number of pairs where keys repeat.
_MOST_PAIRS = 160_000


def opcodes(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[Opcode]:
    """Return how one sequence becomes the other, with as long an equal beginning as there is."""
    least = min(len(one), len(other))
    begin = next((n for n in range(least) if one[n] != other[n]), least)
    end = next((n for n in range(least - begin) if one[-1 - n] != other[-1 - n]), least - begin)
    middle = one[begin : len(one) - end], other[begin : len(other) - end]
    found = _middle(*middle)
    return [
        *([("equal", 0, begin, 0, begin)] if begin else []),
        *((kind, a + begin, b + begin, c + begin, d + begin) for kind, a, b, c, d in found),
        *([("equal", len(one) - end, len(one), len(other) - end, len(other))] if end else []),
    ]


def _middle(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[Opcode]:
    if len(one) * len(other) <= _MOST_PAIRS:
        return list(SequenceMatcher(None, one, other, autojunk=False).get_opcodes())
    return list(_in_order(one, other))


def _in_order(one: Sequence[Hashable], other: Sequence[Hashable]) -> Iterator[Opcode]:
    at = 0
    for same, run in groupby(a == b for a, b in zip(one, other, strict=False)):
        length = sum(1 for _ in run)
        yield ("equal" if same else "replace", at, at + length, at, at + length)
        at += length
    if at < len(one):
        yield ("delete", at, len(one), at, at)
    if at < len(other):
        yield ("insert", at, at, at, len(other))
