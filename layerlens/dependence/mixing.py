"""Classify a boolean map of steps (outputs × inputs). NumPy alone.

`seen[o, i]` is true where output step `o` depends on input step `i`. Where only some input steps
were tried, `steps` holds the step number of each column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.vocabulary import Mixes

SeenMap = NDArray[np.bool_]
#: (width, stride): the number of input steps from the first to the last that an output step sees,
#: and the number of input steps by which that window moves from one output step to the next.
Window = tuple[int, int]

#: From the least to the most informative kind.
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

    `window` is set where every output step sees the same short run of steps, shifted by the
    stride: for a causal convolution as well as for the kind `window`.
    """

    kind: Mixes
    window: Window | None = None
    #: Whether outputs are in reverse order, as those of a recurrent layer with `go_backwards`.
    is_reversed: bool = False


def mixing_of(
    seen: SeenMap, steps: Sequence[int] | None = None, inputs: int | None = None
) -> Mixing:
    """Classify one map.

    `steps` are the input steps of the columns, out of `inputs` in all; by default the columns are
    all the input steps. A map in which nothing is seen is `none`. A map is also `none` where each
    output step sees at most one input step but lengths differ (cropped, padded, repeated): a step
    that only moves is not mixed with another one.
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
        if (one_way := _direction(seen, ahead)) is not None:
            return Mixing(one_way, window)
        backwards = _direction(seen[::-1], ahead)
        # A recurrent layer with `go_backwards` returns its last step first.
        if backwards == "anti_causal" and not _sees_one_step_each(seen):
            return Mixing("anti_causal", is_reversed=True)
    if _sees_one_step_each(seen):
        return Mixing("none", window if window is not None and window[0] == 1 else None)
    if seen.all():
        return Mixing("all")
    if window is not None:
        return Mixing("causal" if _is_causal(seen, places, window) else "window", window)
    return Mixing("window" if _widest_span(seen, places) <= total // 2 else "all")


def strongest(maps: Sequence[Mixing]) -> Mixing | None:
    """Return the most informative kind of several maps of one layer; None without maps."""
    if not maps:
        return None
    kinds = {one.kind for one in maps}
    if {"causal", "anti_causal"} <= kinds:
        return Mixing("all")
    return max(maps, key=lambda one: _STRENGTH.index(one.kind))


def _sees_one_step_each(seen: SeenMap) -> bool:
    return bool(seen.sum(axis=1).max(initial=0) <= 1)


def _direction(seen: SeenMap, ahead: NDArray[np.intp]) -> Mixes | None:
    """Return `causal` where outputs see no later steps, `anti_causal` where they see no earlier."""
    before, behind = seen[ahead < 0].any(), seen[ahead > 0].any()
    if before and not behind:
        return "causal"
    if behind and not before:
        return "anti_causal"
    return None


def _is_causal(seen: SeenMap, places: NDArray[np.intp], window: Window) -> bool:
    """Return whether output `o` of a layer with a stride sees no step after `o` × stride."""
    stride = window[1]
    if stride == 1:
        return False
    ahead = places[None, :] - stride * np.arange(len(seen))[:, None]
    return bool((ahead[seen] <= 0).all() and (ahead[seen] < 0).any())


def _window(seen: SeenMap, places: NDArray[np.intp], inputs: int) -> Window | None:
    """Find the run of steps that every output sees, shifted by a stride.

    None where there is none, or where it spans all the steps, so that its true width is unknown.
    """
    best: Window | None = None
    outputs = len(seen)
    for stride in range(1, (inputs - 1) // max(1, outputs - 1) + 2):
        ahead = places[None, :] - stride * np.arange(outputs)[:, None]
        inside = ahead[seen]
        first, last = int(inside.min()), int(inside.max())
        endless = last == inputs - 1 or first == -stride * (outputs - 1)
        # No output may skip a step that others see at the same distance.
        if np.isin(ahead[~seen], inside).any() or (endless and last - first > 0):
            continue
        if best is None or last - first + 1 < best[0]:
            best = (last - first + 1, stride)
    return best


def _widest_span(seen: SeenMap, places: NDArray[np.intp]) -> int:
    """Return the greatest number of steps from the first to the last that one output sees."""
    spans = [places[row].max() - places[row].min() + 1 for row in seen if row.any()]
    return int(max(spans, default=0))
