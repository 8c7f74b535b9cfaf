"""Batches in which each sample has one step replaced. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain

#: The kinds of samples in which a step is replaced. `up` and `down` are for layers that pass on the
#: maximum or the minimum, `positive` for layers that need positive values. In `padded`, `holes` and
#: `sparse`, for layers that use masks, a valid step is replaced by a blank, or a blank one filled.
SAMPLE_KINDS = ("normal", "up", "padded", "down", "positive", "holes", "sparse")
#: The number of kinds used where samples are large, since each then has many values.
FEW_SAMPLE_KINDS = 3
#: The share of steps that is blank, by kind of sample.
_BLANKED = {"padded": 0.35, "holes": 0.35, "sparse": 0.85}
#: Far beyond the other values drawn, and small enough not to saturate every later layer.
_FAR = 8.0
#: Greatest number of input steps that are replaced, one sample each.
MAX_STEPS = 160
MIN_STEPS = 9


@dataclass(frozen=True, slots=True)
class SamplePair:
    """Two samples of one input: the base, and the one whose steps replace those of the base."""

    base: Array
    replacement: Array
    #: (steps,): which steps of the base are valid; all of them where none is blank.
    valid: NDArray[np.bool_]
    is_blanked: bool


def draw_pair(
    domain: Domain, kind: str, rng: np.random.Generator, blank: float = 0.0
) -> SamplePair:
    """Draw two samples of a kind for one input; `blank` is the value that means padding."""
    steps = domain.shape[0] if domain.shape else 1
    blank_share = _BLANKED.get(kind, 0.0)
    blanked = np.asarray(rng.random(steps) < blank_share)
    if blank_share and steps > 1:
        blanked[rng.integers(steps)] = True
        # The first step stays valid. Where it is padding, a step of causal attention has nothing to
        # attend to, and its output is filler, which would hide what the valid steps see.
        blanked[0] = False
    base, replacement = _draw_values(domain, kind, rng)
    if blank_share and (filler := _blank_value(domain, blank)) is not None:
        base[blanked], replacement[~blanked] = filler, filler
    return SamplePair(base, replacement, ~blanked, bool(blank_share))


def with_steps_replaced(drawn: SamplePair, axis: int | None, steps: Sequence[int]) -> Array:
    """Return a batch of the base, a copy per step with that step replaced, and the base again.

    `axis` counts the batch axis; None replaces the whole sample as if it were one step.
    """
    rows = [drawn.base]
    for step in steps:
        if axis is None:
            rows.append(drawn.replacement)
            continue
        row = drawn.base.copy()
        place: Any = (*(slice(None) for _ in range(axis - 1)), step)
        row[place] = drawn.replacement[place]
        rows.append(row)
    return np.stack([*rows, drawn.base])


def masks_with_steps_replaced(
    drawn: SamplePair, axis: int | None, steps: Sequence[int]
) -> NDArray[np.bool_]:
    """Return the masks (rows, steps) of `with_steps_replaced`; where a blank is filled, true."""
    rows = np.repeat(drawn.valid[None], len(steps) + 2, axis=0)
    if drawn.is_blanked and axis == 1:
        for row, step in enumerate(steps, start=1):
            rows[row, step] = ~rows[row, step]
    return rows


def chosen_steps(steps: int, most: int) -> tuple[int, ...]:
    """Return the steps to replace: all, or the outer ones, a run in the middle, and some between.

    Neighbours show a window's width and stride, the outer ones how far it reaches.
    """
    if steps <= most:
        return tuple(range(steps))
    middle = steps // 2 - most // 4
    chosen = {0, 1, steps - 2, steps - 1, *range(middle, middle + max(1, most // 2))}
    spread = np.linspace(0, steps - 1, max(2, most - len(chosen))).astype(int)
    return tuple(sorted(chosen | set(spread.tolist())))


def steps_seen(
    outputs: Array, axis: int | None, tried: int, eps: float
) -> tuple[NDArray[np.bool_], float]:
    """Return which output steps change with each replaced step, and the noise.

    `outputs` are those of the batch of `with_steps_replaced`. The map is (output steps, replaced
    steps). A step has changed where it differs from the base by more than the two equal samples
    differ from each other, and by more than rounding could. The noise is the greatest difference
    of the equal samples, relative to their greatest value.
    """
    if outputs.dtype.kind not in "fiub":
        moved = outputs != outputs[:1]
        return _moved_per_step(moved[1 : tried + 1], axis), float(moved[-1].any())
    values = outputs.astype(np.float64)
    difference = _difference(values, values[:1])
    size = np.where(np.isfinite(values[0]), np.abs(values[0]), 0.0)
    noise = difference[-1]
    least = 16.0 * _max_per_step(noise, axis) + 64.0 * eps * _max_per_step(size, axis)
    scale = float(size.max(initial=0.0)) or 1.0
    return _moved_per_step(difference[1 : tried + 1] > least, axis), float(
        noise.max(initial=0.0)
    ) / scale


def _difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the absolute difference; 0 between equal infinities and between two NaN."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(same, 0.0, np.abs(one - other))
    return np.where(np.isnan(difference), np.inf, difference)


def _max_per_step(values: NDArray[np.float64], axis: int | None) -> NDArray[np.float64]:
    """Return one output's maximum per step, with the other axes kept as 1."""
    if axis is None:
        return np.asarray(values.max(initial=0.0))
    others = tuple(n for n in range(values.ndim) if n != axis - 1)
    return np.asarray(values.max(axis=others, keepdims=True, initial=0.0))


def _moved_per_step(moved: NDArray[np.bool_], axis: int | None) -> NDArray[np.bool_]:
    if axis is None:
        return np.asarray(moved.reshape(len(moved), -1).any(axis=1))[None]
    others = tuple(n for n in range(1, moved.ndim) if n != axis)
    return np.asarray(moved.any(axis=others).T)


def _draw_values(domain: Domain, kind: str, rng: np.random.Generator) -> tuple[Array, Array]:
    shape = domain.shape
    if domain.kind == "string":
        words: Array = np.asarray(domain.words or ("one", "other"), dtype=object)
        first = rng.integers(len(words), size=shape)
        moved = rng.integers(1, max(2, len(words)), shape)
        return words[first], words[(first + moved) % len(words)]
    if domain.kind == "bool":
        flags = np.asarray(rng.random(shape) < 0.5)
        return flags, ~flags
    if domain.kind == "integer":
        return _integers(domain, kind, rng)
    if kind == "positive":
        return rng.uniform(0.1, 1.0, shape), rng.uniform(0.1, 1.0, shape)
    base, replacement = rng.standard_normal(shape), rng.standard_normal(shape)
    if kind in ("up", "down"):
        replacement = np.where(kind == "up", 1.0, -1.0) * (_FAR + np.abs(replacement))
    return base, replacement


def _integers(domain: Domain, kind: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw integers and different ones to replace them; only blank steps may be zero."""
    low = domain.low
    if low == 0 and domain.high > 2 and kind in _BLANKED:
        low = 1
    span = max(1, domain.high - low)
    first = rng.integers(0, span, domain.shape)
    moved = {"up": span - 1, "down": 0}.get(kind)
    replacement = (first + rng.integers(1, max(2, span), domain.shape)) % span
    if moved is not None:
        replacement = np.where(first == moved, replacement, moved)
    return low + first, low + replacement


def _blank_value(domain: Domain, blank: float) -> Any:
    """Return the value that means padding in this input; None where there is none."""
    if domain.kind == "string":
        return ""
    if domain.kind == "integer":
        return 0 if domain.low <= 0 < domain.high else None
    return False if domain.kind == "bool" else blank
