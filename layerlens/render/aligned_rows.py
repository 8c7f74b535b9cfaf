"""The rows of one table for several models with aligned layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from layerlens.report.diffs import LayerChange, ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport
    from layerlens.vocabulary import Aspect


class Cell(NamedTuple):
    """One model's cell of a row: its layer, if it has one here, and how that layer differs.

    `change` is None in the first model's column, and for models that were not aligned.
    """

    layer: LayerRow | None = None
    change: LayerChange | None = None

    @property
    def differs(self) -> frozenset[Aspect]:
        """The aspects in which the layer differs from the first model's."""
        return frozenset(self.change.differs) if self.change is not None else frozenset()


Row = tuple[Cell, ...]


def rows_of(models: Sequence[ModelReport], diffs: Sequence[ModelsDiff]) -> list[Row]:
    """Return rows with one cell per model, in the order of the first model's layers.

    Layers that only other models have are inserted between. Models that were not aligned with the
    first one are aligned by position.
    """
    if not models:
        return []
    first, *others = models
    diffs_by_candidate = {diff.candidate: diff for diff in diffs if diff.reference == first.name}
    columns = [_column(first, other, diffs_by_candidate.get(other.name)) for other in others]
    rows: list[Row] = []
    for position in range(len(first.layers) + 1):
        between = [insertions[position] for insertions, _ in columns]
        rows += [(Cell(), *cells) for cells in zip_longest(*between, fillvalue=Cell())]
        if position < len(first.layers):
            rows.append(
                (Cell(first.layers[position]), *(aligned[position] for _, aligned in columns))
            )
    return rows


def _column(
    first: ModelReport, other: ModelReport, diff: ModelsDiff | None
) -> tuple[list[list[Cell]], list[Cell]]:
    """Return the cells of `other`: before each of the first model's layers, and aligned."""
    length = len(first.layers)
    insertions: list[list[Cell]] = [[] for _ in range(length + 1)]
    aligned = [Cell() for _ in range(length)]
    if diff is None:
        cells = [Cell(layer) for layer in other.layers]
        insertions[length] = cells[length:]
        return insertions, [*cells, *aligned][:length]
    position = 0
    for change in diff.layers:
        layer = None if change.candidate_row is None else other.layers[change.candidate_row]
        if change.reference_row is None:
            insertions[position].append(Cell(layer, change))
        else:
            aligned[change.reference_row] = Cell(layer, change)
            position = change.reference_row + 1
    return insertions, aligned
