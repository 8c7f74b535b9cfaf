"""Measured maps, reduced to a size that fits a report; pictures are drawn from them.

A step map keeps the first and last steps of a long sequence, a heat map the greatest difference of
each block of a large output. Both record the full size.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The longest sequence that is kept whole; of longer ones the FIRST and LAST steps are kept.
WHOLE = 12
FIRST, LAST = 6, 4


@dataclass(frozen=True, slots=True)
class StepMapRow:
    """Which output step depends on which step of one input, as measured.

    `seen` has a text per kept output step with a character per kept input step: "1" where the
    output step depends on it, "0" where it does not. `beyond` has for each kept output step whether
    it also depends on steps that are not kept.
    """

    #: The layer or model input that the steps come from, and the layer's position in the model's
    #: layers; None for an input.
    source: str
    source_layer: int | None
    #: The index of the layer's (or model's) output.
    output: int
    #: The number of steps of the input and of the output; None for a vector without steps.
    inputs: int | None
    outputs: int | None
    #: The kept steps. Of the input, only steps that were replaced are kept.
    input_steps: tuple[int, ...]
    output_steps: tuple[int, ...]
    seen: tuple[str, ...]
    beyond: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The greatest absolute difference over all probes and weights, along an output's two axes.

    `rows` and `columns` name the axes; `shape` is the output's extent along them. Each cell is the
    maximum of a block of `block` (rows, columns) values, the last ones fewer, and over any further
    axes and the batch.
    """

    rows: str
    columns: str
    shape: tuple[int, int]
    block: tuple[int, int]
    cells: tuple[tuple[float, ...], ...]
    #: The index of the model's output.
    output: int = 0


def kept_steps(steps: int) -> tuple[int, ...]:
    """Return the steps that a map keeps: all of a short sequence, else the first and last ones."""
    return tuple(range(steps)) if steps <= WHOLE else outer_steps(steps)


def outer_steps(steps: int) -> tuple[int, ...]:
    """Return the first and last steps of a sequence; all steps if there are no others."""
    if steps <= FIRST + LAST:
        return tuple(range(steps))
    return (*range(FIRST), *range(steps - LAST, steps))
