"""Pair the weights of two models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from operator import mul

import numpy as np

from layerlens.report.layers import WeightRow
from layerlens.report.pairs import TransferRow
from layerlens.vocabulary import TransferMethod


@dataclass(frozen=True, slots=True)
class Pairing:
    """Positions of the two weights in their models' lists, and whether the layout is changed."""

    reference: int
    candidate: int
    reshaped: bool


@dataclass(frozen=True, slots=True)
class Transfer:
    """How the reference's weights are carried over, or why they cannot be.

    `method` is what was really done: `by_order`, `by_name`, `reshape` or `none`.
    `problem` is None where every weight of both models found its partner.
    """

    method: TransferMethod
    reference: tuple[WeightRow, ...]
    candidate: tuple[WeightRow, ...]
    pairings: tuple[Pairing, ...]
    problem: str | None = None
    #: Positions of the weights, in either model, that keep the values that the scenario gives.
    given: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())

    @property
    def complete(self) -> bool:
        return self.problem is None

    @property
    def unmatched(self) -> tuple[str, ...]:
        if self.method == "none":
            return ()
        used_reference = {pairing.reference for pairing in self.pairings}
        used_candidate = {pairing.candidate for pairing in self.pairings}
        return tuple(
            row.path
            for rows, used, given in (
                (self.reference, used_reference, self.given[0]),
                (self.candidate, used_candidate, self.given[1]),
            )
            for position, row in enumerate(rows)
            if position not in used and position not in given
        )

    def carry(self, values: Sequence[np.ndarray], own: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the candidate's weights: the reference's `values` where paired, else its `own`."""
        carried = list(own)
        for pairing in self.pairings:
            shape = self.candidate[pairing.candidate].shape
            carried[pairing.candidate] = np.reshape(values[pairing.reference], shape)
        return carried

    def to_row(self) -> TransferRow:
        pairs = tuple(
            (self.reference[p.reference].path, self.candidate[p.candidate].path)
            for p in self.pairings
        )
        return TransferRow(self.method, pairs, self.unmatched)


def pair_weights(
    reference: Sequence[WeightRow],
    candidate: Sequence[WeightRow],
    method: TransferMethod = "auto",
    given: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset()),
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
    if method == "none" or not any(given):
        return _paired(ours, theirs, method)
    nothing: frozenset[int] = frozenset()
    left_out = ((nothing, given[1]), (nothing, nothing), given, (given[0], nothing))
    tried = [_paired_without(ours, theirs, method, without) for without in left_out]
    return next((transfer for transfer in tried if transfer.complete), tried[0])


def _paired_without(
    ours: tuple[WeightRow, ...],
    theirs: tuple[WeightRow, ...],
    method: TransferMethod,
    given: tuple[frozenset[int], frozenset[int]],
) -> Transfer:
    """Pair what is left of both models without the weights that are given."""
    places = [
        [place for place in range(len(rows)) if place not in out]
        for rows, out in zip((ours, theirs), given, strict=True)
    ]
    transfer = _paired(
        tuple(ours[place] for place in places[0]),
        tuple(theirs[place] for place in places[1]),
        method,
    )
    pairings = tuple(
        Pairing(places[0][one.reference], places[1][one.candidate], one.reshaped)
        for one in transfer.pairings
    )
    return Transfer(transfer.method, ours, theirs, pairings, transfer.problem, given)


def _paired(
    ours: tuple[WeightRow, ...], theirs: tuple[WeightRow, ...], method: TransferMethod
) -> Transfer:
    if method == "none":
        return Transfer("none", ours, theirs, ())
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
            pairings.append(Pairing(position, position, reshaped=False))
            continue
        fits = method == "reshape" and prod(one.shape) == prod(other.shape)
        if fits or (method == "auto" and same_layout(one.shape, other.shape)):
            pairings.append(Pairing(position, position, reshaped=True))
            continue
        problem = problem or (
            f"weight {position + 1} is `{one.path}` {_shape(one)} in the reference "
            f"and `{other.path}` {_shape(other)} in the candidate"
        )
    if len(ours) != len(theirs):
        longer, rows = (
            ("reference", ours[len(theirs) :])
            if len(ours) > len(theirs)
            else ("candidate", theirs[len(ours) :])
        )
        extra = ", ".join(f"`{row.path}` {_shape(row)}" for row in rows[:3])
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        counts = (
            f"the reference has {_count(ours)} and the candidate {_count(theirs)}; "
            f"without a partner in the {longer}: {extra}{more}"
        )
        problem = f"{problem}; {counts}" if problem else counts
    done: TransferMethod = (
        "reshape" if any(pairing.reshaped for pairing in pairings) else "by_order"
    )
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
            pairings.append(Pairing(position, other, reshaped=False))
        elif other is not None and same_layout(row.shape, theirs[other].shape):
            pairings.append(Pairing(position, other, reshaped=True))
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


def _shape(row: WeightRow) -> str:
    return "(" + ", ".join(str(n) for n in row.shape) + ("," if len(row.shape) == 1 else "") + ")"


def _count(rows: Sequence[WeightRow]) -> str:
    return f"{len(rows)} weight{'' if len(rows) == 1 else 's'}"
