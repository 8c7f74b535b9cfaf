"""What pictures are drawn from: measured maps, kept small enough for a report. No layout.

A map of steps keeps the outer steps of a long sequence, a map of differences the greatest
difference of each block of a large output. Both say what they left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: So many steps are kept whole; of longer sequences FIRST and LAST ones.
WHOLE = 12
FIRST, LAST = 6, 4
#: Rows and columns of a map of differences.
MOST_ROWS, MOST_COLUMNS = 32, 32


@dataclass(frozen=True, slots=True)
class StepMapRow:
    """Which output step depends on which step of one input: measured, a row per output step.

    `seen` has a text per kept output step with a character per kept input step: "1" where the
    output step depends on it, "0" where it does not. `beyond` tells of each output step whether
    it also depends on steps that were left out.
    """

    #: The layer or the model's input that the steps come from, and that layer's position in the
    #: model's layers; None for an input.
    source: str
    source_layer: int | None
    #: Which of the layer's (or model's) outputs it is about.
    output: int
    #: How many steps there are on either side; None where there is one vector without steps.
    inputs: int | None
    outputs: int | None
    #: The kept ones. Of the inputs, only steps that were replaced are kept.
    input_steps: tuple[int, ...]
    output_steps: tuple[int, ...]
    seen: tuple[str, ...]
    beyond: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The greatest absolute difference over all probes and weights, along an output's two axes.

    `rows` and `columns` name the axes; `shape` is the output's extent along them, of which each
    cell covers a block of `block` (rows, columns), the last ones less. Further axes and the batch
    are summed up by their greatest difference too.
    """

    rows: str
    columns: str
    shape: tuple[int, int]
    block: tuple[int, int]
    cells: tuple[tuple[float, ...], ...]
    #: Which of the model's outputs it is about.
    output: int = 0


def kept_steps(steps: int) -> tuple[int, ...]:
    """Return the steps of a sequence that a map keeps: all of a short one, else the outer ones."""
    if steps <= WHOLE:
        return tuple(range(steps))
    return (*range(FIRST), *range(steps - LAST, steps))


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
    """Keep of a measured map (output steps × tried input steps) what a picture shows."""
    columns = kept_steps(inputs or 1)
    rows = kept_steps(len(seen))
    place = {step: position for position, step in enumerate(tried)}
    kept = [step for step in columns if step in place]
    rest = [position for step, position in place.items() if step not in kept]
    part = seen[list(rows)]
    return StepMapRow(
        source=source,
        source_layer=source_layer,
        output=output,
        inputs=inputs,
        outputs=len(seen) if has_steps else None,
        input_steps=tuple(kept),
        output_steps=rows,
        seen=tuple("".join("01"[row[place[step]]] for step in kept) for row in part.astype(int)),
        beyond=tuple(bool(row[rest].any()) for row in part),
    )


def heat_map(gaps: NDArray[np.float64], *, output: int, names: tuple[str, str]) -> HeatMap:
    """Reduce greatest differences (rows × columns) to blocks, each with its greatest difference."""
    rows, columns = gaps.shape
    block = (-(-rows // MOST_ROWS), -(-columns // MOST_COLUMNS))
    reduced = np.maximum.reduceat(gaps, np.arange(0, rows, block[0]), axis=0)
    reduced = np.maximum.reduceat(reduced, np.arange(0, columns, block[1]), axis=1)
    cells = tuple(tuple(_rounded(cell) for cell in row) for row in reduced)
    return HeatMap(names[0], names[1], (rows, columns), block, cells, output)


def _rounded(number: float) -> float:
    """Keep three digits: no picture shows more, and the report stays small."""
    return float(f"{number:.3g}")
