"""Which changes inside a model its outputs clearly follow, told by one gradient for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Side
from layerlens.numerics.arrays import Array, per_sample_max
from layerlens.numerics.noise_floor import ROUNDOFF64
from layerlens.numerics.probes import generator
from layerlens.scenario.slices import parse_select

#: The least change of an output, in float64 roundoffs of its own size and of the greatest value in
#: its sample, that is not rounding.
MIN_CHANGE = 2.0**20
MIN_CHANGE_IN_SAMPLE = 2.0**12
#: A slope has to be this many times as great as the least change.
MARGIN = 2.0**8


def least_change(output: Array) -> NDArray[np.float64]:
    """Return, for each element, the least change that is not rounding."""
    size = np.where(np.isfinite(output), np.abs(output), 0.0)
    scale = np.maximum(per_sample_max(size), 1.0)
    return (ROUNDOFF64 * MIN_CHANGE) * size + (ROUNDOFF64 * MIN_CHANGE_IN_SAMPLE) * scale


@dataclass(frozen=True, slots=True)
class Direction:
    """A random direction in the space of a model's floating outputs.

    Where the outputs move by some amount along it, at least one element moves by that amount
    divided by the number of elements.
    """

    #: One array for each floating output of the whole model, zero outside `select`.
    arrays: tuple[NDArray[np.float64], ...]
    #: The movement along it from which an element clearly moves.
    least: float

    @classmethod
    def of(cls, side: Side, whole: Outcome) -> Direction | None:
        """Return a direction for the outputs of a run before `select`; None without any."""
        if whole.error is not None:
            return None
        outputs = [output for output in whole.outputs if output.dtype.kind == "f" and output.size]
        if len(outputs) < len([o for o in whole.outputs if o.dtype.kind == "f"]) or not outputs:
            return None
        if not all(bool(np.isfinite(output).all()) for output in outputs):
            return None
        rng = generator(0, "slopes")
        arrays, count, floor = [], 0, 0.0
        for output in outputs:
            signs = rng.choice((-1.0, 1.0), output.shape)
            kept = np.ones(output.shape)
            if side.built.spec.select is not None:
                kept = np.zeros(output.shape)
                kept[parse_select(side.built.spec.select)] = 1.0
            arrays.append(np.asarray(signs * kept))
            count += int(kept.sum())
            floor = max(floor, float(least_change(output).max()))
        return cls(tuple(arrays), MARGIN * max(1, count) * floor)

    def clearly_moves(self, slopes: Iterable[Array], changes: Iterable[Array]) -> bool:
        """Return whether changes of these slopes clearly move an output, to first order.

        Both come in the same blocks.
        """
        moved = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for slope, change in zip(slopes, changes, strict=True):
                moved += float(
                    np.sum(np.asarray(slope, np.float64) * np.asarray(change, np.float64))
                )
        return bool(np.isfinite(moved)) and abs(moved) > self.least
