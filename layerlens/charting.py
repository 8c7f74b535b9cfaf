"""Observations of a pair become the map of where its outputs differ. NumPy alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from layerlens.comparing import Float, distance
from layerlens.evidence import Observation
from layerlens.maps import HeatMap, heat_map

#: An output's rank, batch axis counted → what its two mapped axes are called.
_NAMES = {2: ("output", "feature"), 3: ("step", "feature")}
_FURTHER = ("axis 1", "axis 2")


def differences_map(observations: Sequence[Observation]) -> HeatMap | None:
    """Return where the outputs differ most, in working precision, over all probes and weights.

    It is of the output with the greatest difference, at the length most often tried, along time
    and features (of images, along both spatial axes). None where all outputs agree exactly, or
    have no axis beside the batch.
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
            gap = distance(one.reference[output], one.candidate[output])
            greatest = np.maximum(greatest, gap.max(axis=0))
    if not greatest.any():
        return None
    rank = len(shape) + 1
    if rank == 2:
        greatest = greatest[None]
    elif rank > 3:
        greatest = greatest.max(axis=tuple(range(2, rank - 1)))
    return heat_map(greatest, output=output, names=_NAMES.get(rank, _FURTHER))
