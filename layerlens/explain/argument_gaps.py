"""Tell the arguments in which the layers of two models differ where their params do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from layerlens.models.build.request import Built
from layerlens.models.inspect.configuration import configuration_of

#: What says nothing about the weights.
_ASIDE = {"name", "trainable", "dtype", "seed"}
_SHOWN = 3
#: A configuration that contains itself never ends.
_DEEPEST = 24


def argument_gaps(reference: Built, candidate: Built) -> str | None:
    """Say which arguments differ in the first layers of one type that hold other params."""
    for one, other in zip(reference.report.layers, candidate.report.layers, strict=False):
        if one.type != other.type:
            return None
        if one.params == other.params:
            continue
        ours, theirs = (
            configuration_of(built.model.get_layer(row.name)).values
            for built, row in ((reference, one), (candidate, other))
        )
        told: dict[str, str] = {}
        for name, mine, their in _apart(ours, theirs):
            values = (
                f"{json.dumps(their)}` in `{candidate.report.name}` and `{name}: "
                f"{json.dumps(mine)}` in `{reference.report.name}`"
            )
            # A backward layer that mirrors its forward one says nothing new.
            mirrored = values.replace("`backward_layer: ", "`layer: ")
            told.setdefault(mirrored, f"`{name}: {values}")
        shown = islice(told.values(), _SHOWN)
        return f"`{one.name}` has {', '.join(shown)}" if told else None
    return None


def _apart(
    one: Mapping[str, Any], other: Mapping[str, Any], depth: int = 0
) -> Iterator[tuple[str, Any, Any]]:
    for name in one:
        ours, theirs = one[name], other.get(name)
        if name in _ASIDE:
            continue
        if isinstance(ours, dict) and isinstance(theirs, dict):
            kinds = ours.get("class_name"), theirs.get("class_name")
            if kinds[0] != kinds[1] and all(map(_is_plain, kinds)):
                yield name, *kinds  # two kinds of layer have no arguments to hold against
            elif depth < _DEEPEST:
                yield from _apart(ours, theirs, depth + 1)
        # Only data is held against data: what is the user's own may compare in any way.
        elif _is_plain(ours) and _is_plain(theirs) and ours != theirs:
            yield name, ours, theirs


def _is_plain(value: Any, depth: int = 0) -> bool:
    if type(value) in (list, tuple):
        return depth < _DEEPEST and all(_is_plain(item, depth + 1) for item in value)
    return value is None or type(value) in (bool, int, float, str)
