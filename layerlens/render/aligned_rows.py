"""The rows of one table for models with lined-up layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from layerlens.report.diffs import LayerChange, ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport
    from layerlens.vocabulary import Aspect


class Cell(NamedTuple):
    """One model's place in a row: its layer, if it has one here, and how that was found to differ.

    `change` is None in the first model's column, and where models were not lined up.
    """

    layer: LayerRow | None = None
    change: LayerChange | None = None

    @property
    def differs(self) -> frozenset[Aspect]:
        return frozenset(self.change.differs) if self.change is not None else frozenset()


Row = tuple[Cell, ...]


def rows_of(models: Sequence[ModelReport], diffs: Sequence[ModelsDiff]) -> list[Row]:
    """Return rows with one cell per model, in the order of the first one's layers.

    Layers that only others have stand between. A model that was not lined up with the first one is
    put beside it place by place.
    """
    if not models:
        return []
    first, *others = models
    found = {diff.candidate: diff for diff in diffs if diff.reference == first.name}
    columns = [_column(first, other, found.get(other.name)) for other in others]
    rows: list[Row] = []
    for position in range(len(first.layers) + 1):
        between = [extras[position] for extras, _ in columns]
        rows += [(Cell(), *cells) for cells in zip_longest(*between, fillvalue=Cell())]
        if position < len(first.layers):
            rows.append(
                (Cell(first.layers[position]), *(beside[position] for _, beside in columns))
            )
    return rows


def _column(
    first: ModelReport, other: ModelReport, diff: ModelsDiff | None
) -> tuple[list[list[Cell]], list[Cell]]:
    """Return what only `other` has in front of each of the first one's layers, and beside them."""
    length = len(first.layers)
    extras: list[list[Cell]] = [[] for _ in range(length + 1)]
    beside = [Cell() for _ in range(length)]
    if diff is None:
        cells = [Cell(layer) for layer in other.layers]
        extras[length] = cells[length:]
        return extras, [*cells, *beside][:length]
    position = 0
    for change in diff.layers:
        layer = None if change.candidate_row is None else other.layers[change.candidate_row]
        if change.reference_row is None:
            extras[position].append(Cell(layer, change))
        else:
            beside[change.reference_row] = Cell(layer, change)
            position = change.reference_row + 1
    return extras, beside
