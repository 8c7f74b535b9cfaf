"""Two built models become the arguments in which their layers differ where the params do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from layerlens.building import Built

#: What says nothing about the weights.
_ASIDE = {"name", "trainable", "dtype", "seed"}
_SHOWN = 3


def arguments_apart(reference: Built, candidate: Built) -> str | None:
    """Say which arguments differ in the first layers of one type that hold other params."""
    for one, other in zip(reference.report.layers, candidate.report.layers, strict=False):
        if one.type != other.type:
            return None
        if one.params == other.params:
            continue
        configs = [
            built.model.get_layer(row.name).get_config()
            for built, row in ((reference, one), (candidate, other))
        ]
        told = [
            f"`{name}: {json.dumps(theirs)}` in `{candidate.report.name}` and "
            f"`{name}: {json.dumps(ours)}` in `{reference.report.name}`"
            for name, ours, theirs in islice(_apart(*configs), _SHOWN)
        ]
        return f"`{one.name}` has {', '.join(told)}" if told else None
    return None


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in one:
        ours, theirs = one[name], other.get(name)
        if name in _ASIDE or ours == theirs:
            continue
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from _apart(ours, theirs)
        elif _is_plain(ours) and _is_plain(theirs):
            yield name, ours, theirs


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
