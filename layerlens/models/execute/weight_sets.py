"""The sets of weights on which two models are compared: initial and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import ml_dtypes
import numpy as np

from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import given_weights
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import generator
from layerlens.numerics.weight_transfer import Transfer
from layerlens.numerics.weight_values import (
    OVERFLOWING,
    draw_weight,
    is_recurrent_kernel,
    with_kept_state,
)


@dataclass(frozen=True)
class WeightSet:
    """One choice of weights for both models: the reference's, and the same transferred.

    They are drawn on first access, since a certified pair needs few kinds.
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
    """Return the initial weights, and drawn ones if any weight is free.

    Weights whose values the scenario gives are not drawn.
    """
    drawing = _Drawing(reference, candidate, transfer, seed)
    initial = WeightSet("initial", drawing.initial)
    if not drawing.is_free:
        return (initial,)
    kinds = ["drawn", "gentle", "strong", *OVERFLOWING]
    if any("variance" in slot.path for slot in drawing.slots):
        kinds.append("degenerate")
    return (initial, *(WeightSet(kind, partial(drawing.drawn, kind)) for kind in kinds))


def lasting_weights(
    reference: Side, candidate: Side, transfer: Transfer, seed: int
) -> tuple[WeightSet, ...]:
    """Return weights with which recurrent layers remember thousands of steps; empty without such.

    With other weights the effect of a first step soon vanishes, and with it the difference between
    models that see more or fewer steps.
    """
    drawing = _Drawing(reference, candidate, transfer, seed)
    if drawing.is_free and any(map(is_recurrent_kernel, drawing.slots)):
        return (WeightSet("lasting", drawing.lasting),)
    return ()


class _Drawing:
    """Draws weights for the reference, and transfers them to the candidate."""

    def __init__(self, reference: Side, candidate: Side, transfer: Transfer, seed: int) -> None:
        self._initial = tuple(reference.working.values())
        self._carried = partial(
            _carried,
            own=tuple(candidate.working.values()),
            candidate=candidate,
            transfer=transfer,
        )
        self._seed = seed
        self._narrowest = _narrowest(reference, candidate)
        self.slots = reference.working.slots()
        pinned = _pinned(reference)
        self._free = [
            position not in pinned and slot.dtype.startswith(("float", "bfloat"))
            for position, slot in enumerate(self.slots)
        ]
        #: Whether any weight may be drawn.
        self.is_free = transfer.method != "none" and any(self._free)

    def initial(self) -> tuple[Values, Values]:
        return self._carried(self._initial)

    def drawn(self, kind: str) -> tuple[Values, Values]:
        return self._carried(self._where_free(self._drawn(kind)))

    def lasting(self) -> tuple[Values, Values]:
        return self._carried(self._where_free(with_kept_state(self.slots, self._drawn("drawn"))))

    def _drawn(self, kind: str) -> Iterator[Array]:
        stream = "large" if kind == "opposed" else kind
        for position, (slot, value) in enumerate(zip(self.slots, self._initial, strict=True)):
            rng = generator(self._seed, "weights", stream, position)
            yield draw_weight(slot, value, kind, rng) if self._free[position] else value

    def _where_free(self, drawn: Iterable[Array]) -> Values:
        return tuple(
            _rounded(new, self._narrowest) if is_free else old
            for old, new, is_free in zip(self._initial, drawn, self._free, strict=True)
        )


def moderate_sets(sets: Sequence[WeightSet]) -> tuple[WeightSet, ...]:
    """Return the drawn sets without overflow; without any, all sets."""
    return tuple(one for one in sets[1:] if one.kind not in OVERFLOWING) or tuple(sets)


def _carried(
    values: Values, *, own: Values, candidate: Side, transfer: Transfer
) -> tuple[Values, Values]:
    """Return the reference's weights, and the candidate's after the transfer."""
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
    """Round drawn weights to the narrowest dtype of the models."""
    if dtype == "bfloat16":
        return np.asarray(values).astype(ml_dtypes.bfloat16).astype("float32")
    return np.asarray(values).astype(dtype).astype("float32", copy=False)
