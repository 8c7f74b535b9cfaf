"""Choose inputs on which a quantised file cuts nothing off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from layerlens.models.build.request import Foreign
from layerlens.models.execute.input_domains import fixed_domains
from layerlens.models.execute.intermediates import InstrumentedSide
from layerlens.models.execute.side import Side
from layerlens.models.runtimes.foreign import Step
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Probe, ProbeBatch, draw_generic, join

#: The samples for a quantised file, those to choose them from, and the length of open axes.
_SAMPLES, _DRAWN, _LENGTH = 64, 256, 7
#: The shares of the range of the inputs to try. The whole range is what calibration saw.
_SHARES = (1.0, 0.7, 0.5, 0.35, 0.25)


def calibrated_inputs(side: Side, foreign: Foreign, seed: int) -> ProbeBatch:
    """Return samples whose results stay inside the ranges that the file was calibrated for.

    Outside them results are cut off, which says nothing about how the file computes. The results
    of a layer are compared with the widest range of a result of their shape.
    """
    steps = foreign.runtime.steps
    drawn = draw_generic(fixed_domains((side.built,), _LENGTH), seed, samples=_DRAWN).inputs
    instrumented = InstrumentedSide.of(side)
    own = tuple(side.working.values())
    best: tuple[Array, ...] = ()
    for share in _SHARES if instrumented is not None else ():
        assert instrumented is not None
        inputs = tuple(_scaled(array, steps, share) for array in drawn)
        seen = instrumented.look(own, inputs)
        if seen is None:
            break
        results = {layer.shape[1:]: layer.values[0].double for layer in seen.layers}
        kept = np.flatnonzero(_inside(results, steps, len(inputs[0])))[:_SAMPLES]
        if not best or len(kept) > len(best[0]):
            best = tuple(array[kept] for array in inputs)
        if len(kept) == _SAMPLES:
            break
    if not best or not len(best[0]):
        best = tuple(_scaled(array, steps, _SHARES[-1])[:_SAMPLES] for array in drawn)
    return join([Probe("inside the range", best)])


def _scaled(array: Array, steps: Sequence[Step], share: float) -> Array:
    """Return inputs that use a share of the range of those of the file."""
    ends = [min(abs(one.low), abs(one.high)) for one in steps if one.shape == array.shape[1:]]
    size = float(np.abs(array).max(initial=0.0)) if array.dtype.kind == "f" else 0.0
    if not size:
        return array
    return np.multiply(array, min(share * max(ends, default=size) / size, 1.0)).astype(array.dtype)


def _inside(
    results: Mapping[tuple[int, ...], Array], steps: Sequence[Step], samples: int
) -> NDArray[np.bool_]:
    """Return which samples have all results inside the widest range for their shape."""
    inside = np.ones(samples, bool)
    for shape, result in results.items():
        ranges = [(one.low - one.size, one.high + one.size) for one in steps if one.shape == shape]
        if ranges and len(result) == samples:
            low, high = min(one[0] for one in ranges), max(one[1] for one in ranges)
            values = result.astype(np.float64)
            fits = (values >= low) & (values <= high)
            inside &= fits.reshape(samples, -1).all(axis=1)
    return inside
