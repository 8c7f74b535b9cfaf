"""Batches in which each sample has one step replaced. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain

#: In what surroundings a step is replaced, and by what. `up` and `down` are for layers that let
#: the greatest or the least through, `positive` for those that know nothing else, `padded` and
#: what follows for those that heed masks: there a step is blanked, or a blank one filled.
MANNERS = ("normal", "up", "padded", "down", "positive", "holes", "sparse")
#: Where samples are large, they have many values each: so many manners will do.
FEW_MANNERS = 3
_BLANKED = {"padded": 0.35, "holes": 0.35, "sparse": 0.85}
#: Far beyond what else is drawn, and near enough not to saturate everything behind it.
_FAR = 8.0
#: Greatest number of input steps that are replaced, one sample each.
MOST_STEPS = 160
FEWEST_STEPS = 9


@dataclass(frozen=True, slots=True)
class Drawn:
    """One input in one manner: a sample, another for its replacements, and what is blanked."""

    base: Array
    fresh: Array
    #: Which steps count as valid; all of them where nothing is blanked.
    valid: NDArray[np.bool_]
    is_blanked: bool


def draw(domain: Domain, manner: str, rng: np.random.Generator, blank: float = 0.0) -> Drawn:
    """Draw one input in one manner; `blank` is what a masking layer takes for padding."""
    steps = domain.shape[0] if domain.shape else 1
    share = _BLANKED.get(manner, 0.0)
    gone = np.asarray(rng.random(steps) < share)
    if share and steps > 1:
        gone[rng.integers(steps)] = True
        # What attention gives for a step that may see nothing, as a causal one for padding at the
        # front, is filler that no valid step sees: it would only hide what the valid ones see.
        gone[0] = False
    base, fresh = _values(domain, manner, rng)
    if share and (nothing := _blank(domain, blank)) is not None:
        base[gone], fresh[~gone] = nothing, nothing
    return Drawn(base, fresh, ~gone, bool(share))


def with_steps_replaced(drawn: Drawn, axis: int | None, steps: Sequence[int]) -> Array:
    """Return a batch: the sample, once per step with that step replaced, and the sample again.

    `axis` counts the batch axis; None replaces the whole sample as if it were one step.
    """
    rows = [drawn.base]
    for step in steps:
        if axis is None:
            rows.append(drawn.fresh)
            continue
        row = drawn.base.copy()
        place: Any = (*(slice(None) for _ in range(axis - 1)), step)
        row[place] = drawn.fresh[place]
        rows.append(row)
    return np.stack([*rows, drawn.base])


def masks_replaced(drawn: Drawn, axis: int | None, steps: Sequence[int]) -> NDArray[np.bool_]:
    """Return the masks of the same batch: a blanked step is invalid, a filled one valid."""
    rows = np.repeat(drawn.valid[None], len(steps) + 2, axis=0)
    if drawn.is_blanked and axis == 1:
        for row, step in enumerate(steps, start=1):
            rows[row, step] = ~rows[row, step]
    return rows


def chosen_steps(steps: int, most: int) -> tuple[int, ...]:
    """Return the steps to replace: all, or the outer ones, a run in the middle, and some between.

    Neighbours tell a window's width and stride, the outer ones how far it reaches.
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
    """Return which output steps moved with each of the replaced ones, and the noise.

    `outputs` is what the batch of `with_steps_replaced` gave. A step counts as moved where it
    moved by more than the two equal samples differ, and by more than rounding could. The noise is
    the greatest difference of the equal samples, relative to what they hold.
    """
    if outputs.dtype.kind not in "fiub":
        moved = outputs != outputs[:1]
        return _by_step(moved[1 : tried + 1], axis), float(moved[-1].any())
    values = outputs.astype(np.float64)
    gap = _gap(values, values[:1])
    size = np.where(np.isfinite(values[0]), np.abs(values[0]), 0.0)
    noise = gap[-1]
    least = 16.0 * _per_step(noise, axis) + 64.0 * eps * _per_step(size, axis)
    scale = float(size.max(initial=0.0)) or 1.0
    return _by_step(gap[1 : tried + 1] > least, axis), float(noise.max(initial=0.0)) / scale


def _gap(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far values are apart; the same infinities and NaN are not apart at all."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.where(same, 0.0, np.abs(one - other))
    return np.where(np.isnan(gap), np.inf, gap)


def _per_step(values: NDArray[np.float64], axis: int | None) -> NDArray[np.float64]:
    """Return one output's greatest value per step, in its own shape."""
    if axis is None:
        return np.asarray(values.max(initial=0.0))
    others = tuple(n for n in range(values.ndim) if n != axis - 1)
    return np.asarray(values.max(axis=others, keepdims=True, initial=0.0))


def _by_step(moved: NDArray[np.bool_], axis: int | None) -> NDArray[np.bool_]:
    if axis is None:
        return np.asarray(moved.reshape(len(moved), -1).any(axis=1))[None]
    others = tuple(n for n in range(1, moved.ndim) if n != axis)
    return np.asarray(moved.any(axis=others).T)


def _values(domain: Domain, manner: str, rng: np.random.Generator) -> tuple[Array, Array]:
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
        return _integers(domain, manner, rng)
    if manner == "positive":
        return rng.uniform(0.1, 1.0, shape), rng.uniform(0.1, 1.0, shape)
    base, fresh = rng.standard_normal(shape), rng.standard_normal(shape)
    if manner in ("up", "down"):
        fresh = np.where(manner == "up", 1.0, -1.0) * (_FAR + np.abs(fresh))
    return base, fresh


def _integers(domain: Domain, manner: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw whole numbers whose replacement is another one; zeros are left to the blanked steps."""
    low = domain.low
    if low == 0 and domain.high > 2 and manner in _BLANKED:
        low = 1
    span = max(1, domain.high - low)
    first = rng.integers(0, span, domain.shape)
    moved = {"up": span - 1, "down": 0}.get(manner)
    fresh = (first + rng.integers(1, max(2, span), domain.shape)) % span
    if moved is not None:
        fresh = np.where(first == moved, fresh, moved)
    return low + first, low + fresh


def _blank(domain: Domain, blank: float) -> Any:
    """Return what padding is in this input; None where it has none."""
    if domain.kind == "string":
        return ""
    if domain.kind == "integer":
        return 0 if domain.low <= 0 < domain.high else None
    return False if domain.kind == "bool" else blank
