"""Classify a boolean map of steps (outputs × inputs). NumPy alone.

`seen[o, i]` says whether output step `o` depends on input step `i`. Where not every input step was
tried, `steps` names those that the map's columns stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.vocabulary import Mixes

Seen = NDArray[np.bool_]
#: How many steps an output step sees, from the first to the last of them, and by how many input
#: steps that window moves on from one output step to the next.
Window = tuple[int, int]

#: From what says least about a layer to what says most.
_STRENGTH: tuple[Mixes, ...] = (
    "none",
    "expands",
    "reduces",
    "window",
    "causal",
    "anti_causal",
    "all",
)


@dataclass(frozen=True, slots=True)
class Mixing:
    """How output steps depend on input steps.

    `window` is (width, stride) where every output step sees the same short stretch of steps, moved
    on by the stride: of a causal convolution as well as of one with the kind `window`.
    """

    kind: Mixes
    window: Window | None = None
    #: The outputs come in reverse order, as of a recurrent layer that goes backwards.
    is_reversed: bool = False


def mixing_of(seen: Seen, steps: Sequence[int] | None = None, inputs: int | None = None) -> Mixing:
    """Return the kind of one map.

    `steps` are the input steps that the columns stand for, out of `inputs` in all; by default the
    columns are all there are. A map in which nothing is seen is `none`. Where each output step
    sees at most one input step but lengths differ (cropped, padded, repeated), it is `none` too: a
    step that was moved is mixed with no other one.
    """
    outputs, columns = seen.shape
    places = np.arange(columns) if steps is None else np.asarray(steps)
    total = columns if inputs is None else inputs
    if outputs == 1 and total > 1:
        return Mixing("reduces")
    if total == 1 and outputs > 1:
        return Mixing("expands")
    ahead = places[None, :] - np.arange(outputs)[:, None]
    if not seen.any() or (outputs == total and not seen[ahead != 0].any()):
        return Mixing("none")
    window = _window(seen, places, total)
    if outputs == total:
        if (one_way := _one_way(seen, ahead)) is not None:
            return Mixing(one_way, window)
        backwards = _one_way(seen[::-1], ahead)
        # A recurrent layer that goes backwards gives its last step first.
        if backwards == "anti_causal" and not _each_alone(seen):
            return Mixing("anti_causal", is_reversed=True)
    if _each_alone(seen):
        return Mixing("none", window if window is not None and window[0] == 1 else None)
    if seen.all():
        return Mixing("all")
    if window is not None:
        return Mixing("causal" if _looks_back(seen, places, window) else "window", window)
    return Mixing("window" if _widest(seen, places) <= total // 2 else "all")


def joined(maps: Sequence[Mixing]) -> Mixing | None:
    """Return one kind for several maps of one layer: the one that says most; None without maps."""
    if not maps:
        return None
    kinds = {one.kind for one in maps}
    if {"causal", "anti_causal"} <= kinds:
        return Mixing("all")
    return max(maps, key=lambda one: _STRENGTH.index(one.kind))


def _each_alone(seen: Seen) -> bool:
    return bool(seen.sum(axis=1).max(initial=0) <= 1)


def _one_way(seen: Seen, ahead: NDArray[np.intp]) -> Mixes | None:
    """Say whether outputs see only earlier steps than their own, or only later ones."""
    before, behind = seen[ahead < 0].any(), seen[ahead > 0].any()
    if before and not behind:
        return "causal"
    if behind and not before:
        return "anti_causal"
    return None


def _looks_back(seen: Seen, places: NDArray[np.intp], window: Window) -> bool:
    """Say whether output `o` of a layer with a stride sees none behind step `o` × stride."""
    stride = window[1]
    if stride == 1:
        return False
    ahead = places[None, :] - stride * np.arange(len(seen))[:, None]
    return bool((ahead[seen] <= 0).all() and (ahead[seen] < 0).any())


def _window(seen: Seen, places: NDArray[np.intp], inputs: int) -> Window | None:
    """Find the stretch of steps that every output sees alike, moved on by a stride.

    None where there is none, or where it reaches as far as there are steps, so that nobody knows
    its end.
    """
    best: Window | None = None
    outputs = len(seen)
    for stride in range(1, (inputs - 1) // max(1, outputs - 1) + 2):
        ahead = places[None, :] - stride * np.arange(outputs)[:, None]
        inside = ahead[seen]
        first, last = int(inside.min()), int(inside.max())
        endless = last == inputs - 1 or first == -stride * (outputs - 1)
        # Alike: no output leaves out a step that others see at the same distance.
        if np.isin(ahead[~seen], inside).any() or (endless and last - first > 0):
            continue
        if best is None or last - first + 1 < best[0]:
            best = (last - first + 1, stride)
    return best


def _widest(seen: Seen, places: NDArray[np.intp]) -> int:
    """Return the greatest distance from the first to the last step that one output sees."""
    spans = [places[row].max() - places[row].min() + 1 for row in seen if row.any()]
    return int(max(spans, default=0))
