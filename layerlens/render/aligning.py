"""The layers of several models enter, rows that put like beside like leave."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal

from layerlens.report import LayerRow, ModelReport

Mark = Literal["type", "output_shape", "params", "formula", "mixes"]
Row = tuple[LayerRow | None, ...]
Pairing = tuple[LayerRow | None, LayerRow | None]

#: Beyond this many combinations a stretch of unlike layers is paired in order.
_MOST_COMBINATIONS = 40_000
#: What it is worth to put two layers on one row: a little, whatever they are, so that a layer
#: stands beside the one that replaces it; more, the more they share.
_ANY, _SAME_TYPE, _SAME_SHAPE, _SAME_NAME, _SAME_PARAMS, _HELD = 1, 6, 6, 5, 2, 3


def line_up(models: Sequence[ModelReport]) -> list[Row]:
    """Return rows with one place per model, None where a model has no such layer.

    Each model is lined up with the first; layers that only others have stand between.
    """
    if not models:
        return []
    first, *others = models
    stretches = [
        _by_position(_pair_up(first.layers, other.layers), len(first.layers)) for other in others
    ]
    rows: list[Row] = []
    for position in range(len(first.layers) + 1):
        rows += _between([extras[position] for extras, _ in stretches])
        if position < len(first.layers):
            rows.append((first.layers[position], *(same[position] for _, same in stretches)))
    return rows


def marks(reference: LayerRow | None, candidate: LayerRow | None) -> frozenset[Mark]:
    """Return in which columns the candidate's layer differs from the reference's."""
    if reference is None or candidate is None:
        return frozenset()
    found: set[Mark] = set()
    if reference.type != candidate.type:
        found.add("type")
    if reference.output_shape != candidate.output_shape:
        found.add("output_shape")
    if reference.params != candidate.params:
        found.add("params")
    elif reference.formula != candidate.formula:
        found.add("formula")  # as many params in other weights
    if None not in (reference.mixes, candidate.mixes) and reference.mixes != candidate.mixes:
        found.add("mixes")
    return frozenset(found)


def _by_position(
    pairing: Sequence[Pairing], length: int
) -> tuple[list[list[LayerRow]], list[LayerRow | None]]:
    """Return what only the candidate has before each reference layer, and what stands beside it."""
    extras: list[list[LayerRow]] = [[] for _ in range(length + 1)]
    same: list[LayerRow | None] = []
    for reference, candidate in pairing:
        if reference is not None:
            same.append(candidate)
        elif candidate is not None:
            extras[len(same)].append(candidate)
    return extras, same


def _between(extras: Sequence[Sequence[LayerRow]]) -> list[Row]:
    depth = max((len(layers) for layers in extras), default=0)
    return [
        (None, *(layers[step] if step < len(layers) else None for layers in extras))
        for step in range(depth)
    ]


def _key(layer: LayerRow) -> tuple[str, str, int]:
    return layer.type, str(layer.output_shape), layer.params


def _pair_up(reference: Sequence[LayerRow], candidate: Sequence[LayerRow]) -> list[Pairing]:
    matcher = SequenceMatcher(
        None, [_key(layer) for layer in reference], [_key(layer) for layer in candidate], False
    )
    pairs: list[Pairing] = []
    for _, start, stop, other_start, other_stop in matcher.get_opcodes():
        ours, theirs = reference[start:stop], candidate[other_start:other_stop]
        pairs += _pair_unlike(ours, theirs)
    return pairs


def _pair_unlike(ours: Sequence[LayerRow], theirs: Sequence[LayerRow]) -> list[Pairing]:
    """Pair one stretch of layers such that the total likeness on shared rows is greatest."""
    if [_key(layer) for layer in ours] == [_key(layer) for layer in theirs] or (
        len(ours) * len(theirs) > _MOST_COMBINATIONS
    ):
        return _in_order(ours, theirs)
    best = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for i in range(len(ours) - 1, -1, -1):
        for j in range(len(theirs) - 1, -1, -1):
            together = best[i + 1][j + 1] + _likeness(ours[i], theirs[j])
            best[i][j] = max(together, best[i + 1][j], best[i][j + 1])
    pairs: list[Pairing] = []
    i = j = 0
    while i < len(ours) and j < len(theirs):
        likeness = _likeness(ours[i], theirs[j])
        if best[i][j] == best[i + 1][j + 1] + likeness:
            pairs.append((ours[i], theirs[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            pairs.append((ours[i], None))
            i += 1
        else:
            pairs.append((None, theirs[j]))
            j += 1
    return pairs + [(layer, None) for layer in ours[i:]] + [(None, layer) for layer in theirs[j:]]


def _in_order(ours: Sequence[LayerRow], theirs: Sequence[LayerRow]) -> list[Pairing]:
    shared = min(len(ours), len(theirs))
    pairs: list[Pairing] = list(zip(ours[:shared], theirs[:shared], strict=True))
    pairs += [(layer, None) for layer in ours[shared:]]
    return pairs + [(None, layer) for layer in theirs[shared:]]


def _likeness(one: LayerRow, other: LayerRow) -> int:
    likeness = _ANY
    likeness += _SAME_TYPE * (one.type == other.type)
    likeness += _SAME_SHAPE * bool(one.output_shape == other.output_shape)
    likeness += _SAME_NAME * (one.name == other.name)
    likeness += _SAME_PARAMS * (one.params > 0 and one.params == other.params)
    return likeness + _HELD * (_holds(one, other.type) or _holds(other, one.type))


def _holds(wrapper: LayerRow, kind: str) -> bool:
    return any(held.type == kind for held in wrapper.holds)
