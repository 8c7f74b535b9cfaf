"""Pair the weights of two models as the user wrote it down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from layerlens.errors import Fault, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.numerics.weight_changes import (
    Change,
    Join,
    Part,
    Permute,
    Reshape,
    ShapeError,
    Transpose,
    axis_of,
)
from layerlens.numerics.weight_transfer import (
    NO_PLACES,
    Pairing,
    Places,
    Transfer,
    pair_rest,
    places_of,
    same_layout,
)
from layerlens.plain.shapes import shape_text
from layerlens.plain.suggestion import nearest_name
from layerlens.report.layers import WeightRow
from layerlens.scenario.spec import TransferMapping, WeightPair

#: The most paths that a message lists.
_MOST_LISTED = 8


def map_weights(
    reference: Sequence[WeightRow],
    candidate: Sequence[WeightRow],
    mapping: TransferMapping,
    names: tuple[str, str],
    given: Places = NO_PLACES,
) -> Transfer:
    """Pair the weights of two models as a mapping says, and the rest as its `rest` says.

    Args:
        reference: the weights of the one model.
        candidate: those of the other.
        mapping: the pairs, and how the rest is paired.
        names: the names of both models, for messages.
        given: the positions, in either model, of weights whose values the scenario gives.

    Raises:
        ScenarioError: a pair does not fit, a path names no weight or several, a weight is used
            twice, or is left over; all such faults are in one error.
    """
    reading = _Reading((tuple(reference), tuple(candidate)), names, given)
    pairings = tuple(one for pair in mapping.pairs for one in reading.pairings(pair))
    if reading.faults:
        raise ScenarioError(tuple(reading.faults))
    ours, theirs = reading.rows
    used = places_of(pairings)
    if mapping.rest == "none":
        return Transfer("mapping", ours, theirs, pairings, given=given)
    rest = pair_rest(ours, theirs, mapping.rest, used, given)
    transfer = Transfer("mapping", ours, theirs, (*pairings, *rest.pairings), given=rest.given)
    if not rest.complete:
        raise ScenarioError((_left_over(transfer, mapping, names),))
    return transfer


def _left_over(transfer: Transfer, mapping: TransferMapping, names: tuple[str, str]) -> Fault:
    told = [
        f"{_listed(rows)} of `{name}`"
        for rows, name in zip(transfer.left_over, names, strict=True)
        if rows
    ]
    return Fault(
        Code.TRANSFER_MISFIT,
        f"`transfer` leaves {' and '.join(told)} over, and `rest: {mapping.rest}` cannot pair "
        f"{'them' if sum(map(len, transfer.left_over)) > 1 else 'it'}",
        mapping.where,
        "add pairs for what is left over, or write `rest: none` to let it keep its own values",
    )


@dataclass
class _Reading:
    """Reads the pairs of one mapping, and collects their faults."""

    rows: tuple[tuple[WeightRow, ...], tuple[WeightRow, ...]]
    names: tuple[str, str]
    given: Places
    faults: list[Fault] = field(default_factory=list)
    _used: tuple[set[int], set[int]] = field(default_factory=lambda: (set(), set()))

    def pairings(self, pair: WeightPair) -> tuple[Pairing, ...]:
        """Return the pairings of one pair; none where it has a fault."""
        before = len(self.faults)
        sources = [self._places(0, path, pair.where) for path in pair.sources]
        targets = [self._places(1, path, pair.where) for path in pair.targets]
        if len(self.faults) > before:
            return ()
        for side, groups in enumerate((sources, targets)):
            self._use(side, groups, pair.where)
        counts = {len(group) for group in (*sources, *targets)}
        if len(counts) > 1:
            self._refuse_counts(pair, sources, targets)
        if len(self.faults) > before:
            return ()
        found = []
        try:
            for k in range(counts.pop()):
                each = [group[k] for group in sources], [group[k] for group in targets]
                found += list(self._paired(pair, *each))
        except ShapeError as error:
            self._add(Code.TRANSFER_MISFIT, str(error), pair.where, _hint(pair))
        return tuple(found)

    def _paired(
        self, pair: WeightPair, sources: list[int], targets: list[int]
    ) -> Iterator[Pairing]:
        """Yield the pairings of one weight of each of the paths.

        Raises:
            ShapeError: the operation does not fit the weights, or its result not the target.
        """
        ours = [self.rows[0][place] for place in sources]
        theirs = [self.rows[1][place] for place in targets]
        changes = tuple(_changes(pair, ours, theirs))
        for target, row, change in zip(targets, theirs, changes, strict=True):
            made = ours[0].shape if change is None else _shape(change, ours)
            if made != row.shape:
                by = "" if change is None else f" by `{change}` becomes {shape_text(made)}, which"
                raise ShapeError(f"{_listed(ours)}{by} does not fit {_listed([row])}")
            yield Pairing(tuple(sources), target, change)

    # --- paths ----------------------------------------------------------------------------------

    def _places(self, side: int, path: str, where: Where | None) -> tuple[int, ...]:
        """Return the positions of the weights that a path names: one, or all of a layer."""
        rows = self.rows[side]
        found = _named(path, [row.path for row in rows])
        if len(found) == 1:
            return found[0]
        what = f"`{'from' if side == 0 else 'to'}: {path}`"
        if found:
            firsts = ", ".join(f"`{rows[places[0]].path}`" for places in found[:_MOST_LISTED])
            message = f"{what} could be any of {firsts} of `{self.names[side]}`"
            self._add(Code.TRANSFER_MISFIT, message, where, "write a longer part of the path")
            return ()
        message = f"{what} is not a weight or layer of `{self.names[side]}`"
        self._add(Code.TRANSFER_MISFIT, message, where, _nearest(path, rows))
        return ()

    def _use(self, side: int, groups: Sequence[Sequence[int]], where: Where | None) -> None:
        for place in (place for group in groups for place in group):
            path, name = self.rows[side][place].path, self.names[side]
            key = ("from", "to")[side]
            if place in self._used[side]:
                hint = "each weight belongs to one pair: remove it from the others"
                self._add(
                    Code.TRANSFER_MISFIT,
                    f"`{path}` of `{name}` is used twice under `{key}`",
                    where,
                    hint,
                )
            elif side == 1 and place in self.given[1]:
                message = f"`{path}` of `{name}` has the values given under its `weights`"
                self._add(Code.TRANSFER_MISFIT, message, where, "remove these values, or the pair")
            self._used[side].add(place)

    def _refuse_counts(
        self, pair: WeightPair, sources: list[tuple[int, ...]], targets: list[tuple[int, ...]]
    ) -> None:
        told = [
            f"`{path}` has {len(places)} ({_listed([self.rows[side][n] for n in places])})"
            for side, paths, groups in (
                (0, pair.sources, sources),
                (1, pair.targets, targets),
            )
            for path, places in zip(paths, groups, strict=True)
        ]
        self._add(
            Code.TRANSFER_MISFIT,
            f"a pair takes as many weights as it gives: {', '.join(told)}",
            pair.where,
            "name single weights instead of layers",
        )

    def _add(self, code: Code, message: str, where: Where | None, hint: str | None) -> None:
        self.faults.append(Fault(code, message, where, hint))


def _named(path: str, paths: Sequence[str]) -> list[tuple[int, ...]]:
    """Return what a path may name: weights by their whole path or its end, or whole layers."""
    for found in (
        [place for place, one in enumerate(paths) if one == path],
        [place for place, one in enumerate(paths) if one.endswith(f"/{path}")],
    ):
        if found:
            return [(place,) for place in found]
    whole = tuple(place for place, one in enumerate(paths) if one.startswith(f"{path}/"))
    if whole:
        return [whole]
    layers: dict[str, list[int]] = {}
    for place, one in enumerate(paths):
        before, middle, _ = one.partition(f"/{path}/")
        if middle:
            layers.setdefault(before, []).append(place)
    return [tuple(places) for places in layers.values()]


def _nearest(path: str, rows: Sequence[WeightRow]) -> str:
    parts = [row.path.split("/") for row in rows]
    layers = {"/".join(one[:end]) for one in parts for end in range(1, len(one))}
    ends = {"/".join(one[start:]) for one in parts for start in range(len(one))}
    near = nearest_name(path, sorted(layers | ends), cutoff=0.5, match_case=True)
    start = f"did you mean `{near}`? " if near else ""
    return f"{start}its weights are {_listed(rows) or 'none'}"


# --- operations -----------------------------------------------------------------------------------


def _changes(
    pair: WeightPair, ours: Sequence[WeightRow], theirs: Sequence[WeightRow]
) -> Iterator[Change | None]:
    """Yield what makes each target.

    Raises:
        ShapeError: a split does not take the whole weight.
    """
    first = ours[0].shape
    if pair.split is not None:
        axis, start = axis_of(pair.split, first), 0
        for row in theirs:
            size = row.shape[axis_of(pair.split, row.shape)]
            yield Part(pair.split, start, start + size)
            start += size
        if start != first[axis]:
            raise ShapeError(
                f"{_listed(ours)} has {first[axis]:,} entries along axis {pair.split}, and "
                f"{_listed(theirs)} take {start:,}"
            )
    elif pair.transpose is not None:
        yield Transpose(pair.transpose)
    elif pair.reshape is not None:
        yield Reshape(pair.reshape)
    elif pair.join is not None:
        yield Join(pair.join)
    elif pair.permute is not None:
        yield Permute(*pair.permute)
    elif first != theirs[0].shape and same_layout(first, theirs[0].shape):
        yield Reshape(theirs[0].shape)
    else:
        yield None


def _shape(change: Change, ours: Sequence[WeightRow]) -> tuple[int, ...]:
    try:
        return change.shape([row.shape for row in ours])
    except ShapeError as error:
        raise ShapeError(f"`{change}` does not fit {_listed(ours)}: {error}") from error


def _hint(pair: WeightPair) -> str | None:
    if pair.join is not None or pair.split is not None:
        return "axis -1 is the last of kernels and of biases"
    if pair.transpose is not None or pair.permute is not None:
        return "name single weights where the operation does not fit all weights of a layer"
    if pair.reshape is not None:
        return None
    return "`transpose`, `reshape`, `join`, `split` or `permute` changes the shape"


def _listed(rows: Sequence[WeightRow]) -> str:
    told = [f"`{row.path}` {shape_text(row.shape)}" for row in rows[:_MOST_LISTED]]
    more = f" and {len(rows) - _MOST_LISTED} more" if len(rows) > _MOST_LISTED else ""
    return ", ".join(told) + more
