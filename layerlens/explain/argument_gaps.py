"""Name the arguments that differ between two layers whose counts of params differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from layerlens.models.build.request import Built
from layerlens.models.inspect.configuration import configuration_of

#: Arguments that do not change the number of params.
_UNRELATED = {"name", "trainable", "dtype", "seed"}
#: Arguments that are named before the rest is left out.
_SHOWN = 3
#: Levels of nesting that are read, as a configuration may contain itself.
_MAX_DEPTH = 24


def argument_gaps(reference: Built, candidate: Built) -> str | None:
    """Say which arguments differ in the first pair of layers with different counts of params.

    None if their types differ there, or at an earlier position, or if no argument differs.
    """
    for one, other in zip(reference.report.layers, candidate.report.layers, strict=False):
        if one.type != other.type:
            return None
        if one.params == other.params:
            continue
        ours, theirs = (
            configuration_of(built.model.get_layer(row.name)).values
            for built, row in ((reference, one), (candidate, other))
        )
        texts: dict[str, str] = {}
        for name, mine, their in _differing(ours, theirs):
            values = (
                f"{json.dumps(their)}` in `{candidate.report.name}` and `{name}: "
                f"{json.dumps(mine)}` in `{reference.report.name}`"
            )
            # A backward layer that mirrors its forward layer would be named twice.
            mirrored = values.replace("`backward_layer: ", "`layer: ")
            texts.setdefault(mirrored, f"`{name}: {values}")
        shown = islice(texts.values(), _SHOWN)
        return f"`{one.name}` has {', '.join(shown)}" if texts else None
    return None


def _differing(
    one: Mapping[str, Any], other: Mapping[str, Any], depth: int = 0
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name and both values of each entry that differs, also inside nested layers."""
    for name in one:
        ours, theirs = one[name], other.get(name)
        if name in _UNRELATED:
            continue
        if isinstance(ours, dict) and isinstance(theirs, dict):
            kinds = ours.get("class_name"), theirs.get("class_name")
            if kinds[0] != kinds[1] and all(map(_is_plain, kinds)):
                yield name, *kinds  # layers of two classes have no arguments in common
            elif depth < _MAX_DEPTH:
                yield from _differing(ours, theirs, depth + 1)
        # Only plain data is compared: an object of the user's may define `==` in any way.
        elif _is_plain(ours) and _is_plain(theirs) and ours != theirs:
            yield name, ours, theirs


def _is_plain(value: Any, depth: int = 0) -> bool:
    if type(value) in (list, tuple):
        return depth < _MAX_DEPTH and all(_is_plain(item, depth + 1) for item in value)
    return value is None or type(value) in (bool, int, float, str)
