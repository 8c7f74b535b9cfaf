"""Maps of differences, small enough for a report. NumPy alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Float
from layerlens.numerics.differences import distance
from layerlens.numerics.observation import Observation
from layerlens.report.maps import HeatMap, StepMapRow, kept_steps

#: Rows and columns of a map of differences.
MAX_ROWS, MAX_COLUMNS = 32, 32
#: An output's rank, batch axis counted → the names of its two mapped axes.
_NAMES = {2: ("output", "feature"), 3: ("step", "feature")}
_FURTHER = ("axis 1", "axis 2")


def differences_map(observations: Sequence[Observation]) -> HeatMap | None:
    """Return the greatest difference per place of an output, over all probes and weights.

    The map is of the output with the greatest difference, in working precision, at the most
    frequent length, along time and features (of images, along both spatial axes). None where all
    outputs agree exactly, or have no axis besides the batch.
    """
    maps = [
        found
        for output in range(len(observations[0].reference) if observations else 0)
        if (found := _of_output(observations, output)) is not None
    ]
    return max(maps, key=lambda one: max(map(max, one.cells)), default=None)


def _of_output(observations: Sequence[Observation], output: int) -> HeatMap | None:
    usable = [
        one
        for one in observations
        if one.reference[output].ndim > 1
        and one.reference[output].size
        and len(one.reference[output]) == len(one.batch.inputs[0])
    ]
    if not usable:
        return None
    shapes = Counter(one.reference[output].shape[1:] for one in usable)
    shape = max(shapes, key=lambda one: shapes[one])
    greatest: Float = np.zeros(shape)
    for one in usable:
        if one.reference[output].shape[1:] == shape:
            difference = distance(one.reference[output], one.candidate[output])
            greatest = np.maximum(greatest, difference.max(axis=0))
    if not greatest.any():
        return None
    rank = len(shape) + 1
    if rank == 2:
        greatest = greatest[None]
    elif rank > 3:
        greatest = greatest.max(axis=tuple(range(2, rank - 1)))
    return heat_map(greatest, output=output, names=_NAMES.get(rank, _FURTHER))


def step_map_row(
    seen: NDArray[np.bool_],
    tried: Sequence[int],
    *,
    source: str,
    source_layer: int | None,
    output: int,
    inputs: int | None,
    has_steps: bool,
) -> StepMapRow:
    """Reduce a map (output steps × tried input steps) to the steps that a picture shows."""
    columns = kept_steps(inputs or 1)
    rows = kept_steps(len(seen))
    position_of = {step: position for position, step in enumerate(tried)}
    kept = [step for step in columns if step in position_of]
    rest = [position for step, position in position_of.items() if step not in kept]
    kept_rows = seen[list(rows)]
    return StepMapRow(
        source=source,
        source_layer=source_layer,
        output=output,
        inputs=inputs,
        outputs=len(seen) if has_steps else None,
        input_steps=tuple(kept),
        output_steps=rows,
        seen=tuple(
            "".join("01"[row[position_of[step]]] for step in kept) for row in kept_rows.astype(int)
        ),
        beyond=tuple(bool(row[rest].any()) for row in kept_rows),
    )


def heat_map(differences: NDArray[np.float64], *, output: int, names: tuple[str, str]) -> HeatMap:
    """Reduce greatest differences (rows × columns) to blocks, each with its greatest difference."""
    rows, columns = differences.shape
    block = (-(-rows // MAX_ROWS), -(-columns // MAX_COLUMNS))
    reduced = np.maximum.reduceat(differences, np.arange(0, rows, block[0]), axis=0)
    reduced = np.maximum.reduceat(reduced, np.arange(0, columns, block[1]), axis=1)
    cells = tuple(tuple(_rounded(cell) for cell in row) for row in reduced)
    return HeatMap(names[0], names[1], (rows, columns), block, cells, output)


def _rounded(number: float) -> float:
    """Round to three digits: a picture does not show more, and the report stays small."""
    return float(f"{number:.3g}")
