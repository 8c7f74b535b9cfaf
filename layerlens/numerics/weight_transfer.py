"""Pair the weights of two models by position, shape or name, and carry values over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import prod
from operator import mul

import numpy as np

from layerlens.numerics.weight_changes import Change, Reshape
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import WeightRow
from layerlens.report.pairs import TransferRow
from layerlens.vocabulary import DoneMethod, TransferMethod

#: Positions of weights, in the reference's list and in the candidate's.
Places = tuple[frozenset[int], frozenset[int]]
NO_PLACES: Places = (frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Pairing:
    """The position of a candidate's weight, and those of the weights that it is made from."""

    sources: tuple[int, ...]
    candidate: int
    #: None where the weight is the same array.
    change: Change | None = None

    @property
    def has_same_values(self) -> bool:
        """Whether the weight has the values of one other, in row-major order."""
        return self.change is None or isinstance(self.change, Reshape)

    def made_from(
        self, values: Sequence[np.ndarray] | Mapping[int, np.ndarray], leading: int = 0
    ) -> np.ndarray:
        """Return the candidate's weight for the reference's, which may have more leading axes."""
        taken = [values[source] for source in self.sources]
        return taken[0] if self.change is None else self.change.apply(taken, leading)


@dataclass(frozen=True, slots=True)
class Transfer:
    """How the reference's weights are carried over, or why they cannot be.

    `method` is what was really done: `by_order`, `by_name`, `reshape`, `mapping` or `none`.
    `problem` is None where every weight that needs a partner found one.
    """

    method: DoneMethod
    reference: tuple[WeightRow, ...]
    candidate: tuple[WeightRow, ...]
    pairings: tuple[Pairing, ...]
    problem: str | None = None
    #: Positions of the weights, in either model, that keep the values that the scenario gives.
    given: Places = NO_PLACES

    @property
    def complete(self) -> bool:
        return self.problem is None

    @property
    def unmatched(self) -> tuple[str, ...]:
        if self.method == "none":
            return ()
        return tuple(row.path for rows in self.left_over for row in rows)

    @property
    def left_over(self) -> tuple[tuple[WeightRow, ...], tuple[WeightRow, ...]]:
        """The weights of each model without a partner, but those whose values are given."""
        ours, theirs = (
            tuple(
                row
                for position, row in enumerate(rows)
                if position not in used and position not in given
            )
            for rows, used, given in zip(
                (self.reference, self.candidate), places_of(self.pairings), self.given, strict=True
            )
        )
        return ours, theirs

    @property
    def keeps_own(self) -> tuple[str, ...]:
        """The candidate's weights that keep their own values, by path, as the user asked."""
        if self.method == "none":
            return tuple(row.path for row in self.candidate)
        return tuple(row.path for row in self.left_over[1]) if self.complete else ()

    def carry(self, values: Sequence[np.ndarray], own: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the candidate's weights: the reference's `values` where paired, else its `own`."""
        carried = list(own)
        for pairing in self.pairings:
            carried[pairing.candidate] = pairing.made_from(values)
        return carried

    def sources(self, pairing: Pairing) -> tuple[WeightRow, ...]:
        """Return the reference's weights that a pairing takes."""
        return tuple(self.reference[source] for source in pairing.sources)

    def to_row(self) -> TransferRow:
        pairs, changes = [], []
        for pairing in self.pairings:
            target = self.candidate[pairing.candidate].path
            for row in self.sources(pairing):
                pairs.append((row.path, target))
                changes.append(None if pairing.change is None else str(pairing.change))
        shown = tuple(changes) if any(changes) else ()
        return TransferRow(self.method, tuple(pairs), self.unmatched, shown)


def places_of(pairings: Iterable[Pairing]) -> Places:
    """Return the positions of all weights that some pairings use."""
    pairings = tuple(pairings)
    ours = frozenset(source for pairing in pairings for source in pairing.sources)
    return ours, frozenset(pairing.candidate for pairing in pairings)


def pair_weights(
    reference: Sequence[WeightRow],
    candidate: Sequence[WeightRow],
    method: TransferMethod = "auto",
    given: Places = NO_PLACES,
) -> Transfer:
    """Pair the weights of two models, which come in the order of their layers.

    `auto` goes position by position where the shapes match, by reshape where only the layout
    differs (see `same_layout`), and by name only where the order alone is what differs.

    Args:
        reference: the weights of the one model.
        candidate: those of the other.
        method: how they are paired.
        given: the positions, in either model, of weights whose values the scenario gives. The
            candidate's are no targets, and the reference's need none, unless nothing else pairs.
    """
    ours, theirs = tuple(reference), tuple(candidate)
    if method == "none":
        return Transfer("none", ours, theirs, ())
    return pair_rest(ours, theirs, method, NO_PLACES, given)


def pair_in_order(
    ours: tuple[WeightRow, ...],
    theirs: tuple[WeightRow, ...],
    order: Sequence[int],
    other_order: Sequence[int],
) -> Transfer:
    """Pair two lists of weights position by position, after each is put into another order."""
    transfer = _by_position(
        tuple(ours[place] for place in order),
        tuple(theirs[place] for place in other_order),
        "auto",
    )
    pairings = (
        Pairing((order[one.sources[0]],), other_order[one.candidate], one.change)
        for one in transfer.pairings
    )
    ordered = tuple(sorted(pairings, key=lambda one: one.candidate))
    return replace(transfer, reference=ours, candidate=theirs, pairings=ordered)


def pair_rest(
    ours: tuple[WeightRow, ...],
    theirs: tuple[WeightRow, ...],
    method: TransferMethod,
    used: Places,
    given: Places,
) -> Transfer:
    """Pair the weights that are neither used already nor, unless nothing else pairs, given."""
    nothing: frozenset[int] = frozenset()
    left_out = [(nothing, nothing)]
    if any(given):
        left_out = [(nothing, given[1]), (nothing, nothing), given, (given[0], nothing)]
    tried = [_paired_without(ours, theirs, method, used, without) for without in left_out]
    return next((transfer for transfer in tried if transfer.complete), tried[0])


def _paired_without(
    ours: tuple[WeightRow, ...],
    theirs: tuple[WeightRow, ...],
    method: TransferMethod,
    used: Places,
    given: Places,
) -> Transfer:
    """Pair what is left of both models without the weights that are used or given."""
    places = [
        [place for place in range(len(rows)) if place not in taken and place not in out]
        for rows, taken, out in zip((ours, theirs), used, given, strict=True)
    ]
    transfer = _paired(
        tuple(ours[place] for place in places[0]),
        tuple(theirs[place] for place in places[1]),
        method,
    )
    pairings = tuple(
        Pairing((places[0][one.sources[0]],), places[1][one.candidate], one.change)
        for one in transfer.pairings
    )
    return Transfer(transfer.method, ours, theirs, pairings, transfer.problem, given)


def _paired(
    ours: tuple[WeightRow, ...], theirs: tuple[WeightRow, ...], method: TransferMethod
) -> Transfer:
    if method == "by_name":
        return _by_name(ours, theirs)
    if method in ("by_order", "reshape"):
        return _by_position(ours, theirs, method)
    transfer = _by_position(ours, theirs, "auto")
    if transfer.complete:
        return transfer
    named = _by_name(ours, theirs, exact=True)
    return named if named.complete else transfer


def same_layout(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Return whether two shapes differ only by merged, split or length-one axes.

    In row-major order that is so when one list of running products contains the other:
    (8, 4) and (1, 8, 4) share 8, 32; (4, 8) and (8, 4) do not, as a reshape would mix the axes.
    """
    if prod(shape) != prod(other):
        return False
    ours = set(accumulate((n for n in shape if n != 1), mul))
    theirs = set(accumulate((n for n in other if n != 1), mul))
    return ours <= theirs or theirs <= ours


def _by_position(
    ours: tuple[WeightRow, ...], theirs: tuple[WeightRow, ...], method: TransferMethod
) -> Transfer:
    pairings: list[Pairing] = []
    problem: str | None = None
    for position, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one.shape == other.shape:
            pairings.append(Pairing((position,), position))
            continue
        fits = method == "reshape" and prod(one.shape) == prod(other.shape)
        if fits or (method == "auto" and same_layout(one.shape, other.shape)):
            pairings.append(Pairing((position,), position, Reshape(other.shape)))
            continue
        problem = problem or (
            f"weight {position + 1} is `{one.path}` {shape_text(one.shape)} in the reference "
            f"and `{other.path}` {shape_text(other.shape)} in the candidate"
        )
    if len(ours) != len(theirs):
        longer, rows = (
            ("reference", ours[len(theirs) :])
            if len(ours) > len(theirs)
            else ("candidate", theirs[len(ours) :])
        )
        extra = ", ".join(f"`{row.path}` {shape_text(row.shape)}" for row in rows[:3])
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        counts = (
            f"the reference has {_count(ours)} and the candidate {_count(theirs)}; "
            f"without a partner in the {longer}: {extra}{more}"
        )
        problem = f"{problem}; {counts}" if problem else counts
    is_reshaped = any(pairing.change is not None for pairing in pairings)
    done: DoneMethod = "reshape" if is_reshaped else "by_order"
    return Transfer(done, ours, theirs, tuple(pairings), problem)


def _by_name(
    ours: tuple[WeightRow, ...], theirs: tuple[WeightRow, ...], exact: bool = False
) -> Transfer:
    """Pair equal paths, and then (unless `exact`) paths whose last two parts agree just once."""
    positions = {row.path: position for position, row in enumerate(theirs)}
    pairings: list[Pairing] = []
    for position, row in enumerate(ours):
        other = positions.get(row.path)
        if other is None and not exact:
            other = _only_tail_match(row, ours, theirs)
        if other is not None and row.shape == theirs[other].shape:
            pairings.append(Pairing((position,), other))
        elif other is not None and same_layout(row.shape, theirs[other].shape):
            pairings.append(Pairing((position,), other, Reshape(theirs[other].shape)))
    transfer = Transfer("by_name", ours, theirs, tuple(pairings))
    if not transfer.unmatched:
        return transfer
    listed = ", ".join(f"`{path}`" for path in transfer.unmatched[:4])
    problem = f"no partner of the same name and layout for {listed}"
    return Transfer("by_name", ours, theirs, tuple(pairings), problem)


def _only_tail_match(
    row: WeightRow, ours: tuple[WeightRow, ...], theirs: tuple[WeightRow, ...]
) -> int | None:
    tail = _tail(row.path)
    if sum(_tail(one.path) == tail for one in ours) != 1:
        return None
    hits = [position for position, other in enumerate(theirs) if _tail(other.path) == tail]
    return hits[0] if len(hits) == 1 else None


def _tail(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[-2:])


def _count(rows: Sequence[WeightRow]) -> str:
    return f"{len(rows)} weight{'' if len(rows) == 1 else 's'}"
