"""What pictures are drawn from: measured maps, kept small enough for a report. No layout.

A map of steps keeps the outer steps of a long sequence, a map of differences the greatest
difference of each block of a large output. Both say what they left out.
"""

from __future__ import annotations

from dataclasses import dataclass

#: So many steps are kept whole; of longer sequences FIRST and LAST ones.
WHOLE = 12
FIRST, LAST = 6, 4


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
    return tuple(range(steps)) if steps <= WHOLE else outer_steps(steps)


def outer_steps(steps: int) -> tuple[int, ...]:
    """Return the first and last steps of a sequence; all where it has no more than those."""
    if steps <= FIRST + LAST:
        return tuple(range(steps))
    return (*range(FIRST), *range(steps - LAST, steps))
