"""Two sides and a transfer become the weights to compare on: as initialised, and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from layerlens.drawing import OVERFLOWING, draw_weight
from layerlens.probes import Array, generator
from layerlens.sides import Side, Values
from layerlens.transfer import Transfer
from layerlens.variables import given_weights


@dataclass(frozen=True)
class WeightSet:
    """One choice of weights for both models: the reference's, and the same carried over.

    They are drawn when they are first asked for: a pair that is certified never meets most kinds.
    """

    kind: str
    draw: Callable[[], tuple[Values, Values]] = field(repr=False, compare=False)

    @property
    def reference(self) -> Values:
        return self._drawn[0]

    @property
    def candidate(self) -> Values:
        return self._drawn[1]

    @cached_property
    def _drawn(self) -> tuple[Values, Values]:
        return self.draw()


def weight_sets(
    reference: Side, candidate: Side, transfer: Transfer, seed: int
) -> tuple[WeightSet, ...]:
    """Return the initial weights, and drawn ones where there is something to draw.

    Weights whose values the scenario itself gives stay as they are.
    """
    initial = tuple(reference.working.values())
    own = tuple(candidate.working.values())
    carried = partial(_carried, own=own, candidate=candidate, transfer=transfer)
    sets = [WeightSet("initial", lambda: carried(initial))]
    slots = reference.working.slots()
    pinned = _pinned(reference)
    free = [
        position not in pinned and slot.dtype.startswith(("float", "bfloat"))
        for position, slot in enumerate(slots)
    ]
    if transfer.method == "none" or not any(free):
        return tuple(sets)
    narrow = _narrowest(reference, candidate)

    def drawn(kind: str) -> tuple[Values, Values]:
        stream = "large" if kind == "opposed" else kind
        values = tuple(
            _rounded(
                draw_weight(slot, value, kind, generator(seed, "weights", stream, position)), narrow
            )
            if is_free
            else value
            for position, (slot, value, is_free) in enumerate(
                zip(slots, initial, free, strict=True)
            )
        )
        return carried(values)

    kinds = ["drawn", "gentle", "strong", *OVERFLOWING]
    if any("variance" in slot.path for slot in slots):
        kinds.append("degenerate")
    return (*sets, *(WeightSet(kind, partial(drawn, kind)) for kind in kinds))


def moderate(sets: Sequence[WeightSet]) -> tuple[WeightSet, ...]:
    """Return the drawn weights at which rounding alone does not move outputs; else the initial."""
    return tuple(one for one in sets[1:] if one.kind not in OVERFLOWING) or tuple(sets)


def _carried(
    values: Values, *, own: Values, candidate: Side, transfer: Transfer
) -> tuple[Values, Values]:
    """Return the reference's weights, and the candidate's after they were carried over."""
    if not transfer.candidate:
        return values, own
    pinned = _pinned(candidate)
    carried = tuple(
        mine if position in pinned else value
        for position, (mine, value) in enumerate(zip(own, transfer.carry(values, own), strict=True))
    )
    return values, carried


def _pinned(side: Side) -> frozenset[int]:
    return given_weights(side.built)


def _narrowest(*sides: Side) -> str:
    dtypes = {slot.dtype for side in sides for slot in side.working.slots()}
    return next((d for d in ("bfloat16", "float16") if d in dtypes), "float32")


def _rounded(values: Array, dtype: str) -> Array:
    """Round drawn weights to what the narrowest of the models can hold."""
    if dtype == "bfloat16":
        import ml_dtypes

        return np.asarray(values).astype(ml_dtypes.bfloat16).astype("float32")
    return np.asarray(values).astype(dtype).astype("float32", copy=False)
