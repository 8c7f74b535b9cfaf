"""Differences between two arrays, element by element and as figures. NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, Float


@dataclass(frozen=True, slots=True)
class Difference:
    """How two arrays of one shape differ; figures are in the arrays' own units.

    `max_rel` is over elements whose reference is finite and not zero; `max_ulp` counts steps of
    the working precision at the larger of the two values. A NaN or an infinity equals only itself
    and is infinitely far from anything else.
    """

    max_abs: float
    max_rel: float
    max_ulp: float
    mismatched: int
    compared: int


def distance(reference: Array, candidate: Array) -> Float:
    """Return |candidate - reference| per element; infinite where only one is NaN or infinite.

    Values that are not numbers (strings, truth values) are 0 or infinitely far apart.
    """
    if reference.dtype.kind in "OSU" or reference.dtype.kind == "b":
        return np.where(reference == candidate, 0.0, np.inf)
    one, other = reference.astype(np.float64), candidate.astype(np.float64)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(other - one)
    gap = np.where(np.isfinite(gap), gap, np.inf)
    return np.where(same, 0.0, gap)


def difference_between(reference: Array, candidate: Array, allowed: Float | float) -> Difference:
    """Sum up how two arrays differ; `mismatched` counts elements further apart than `allowed`."""
    gap = distance(reference, candidate)
    if gap.size == 0:
        return Difference(0.0, 0.0, 0.0, 0, 0)
    max_abs = float(gap.max())
    return Difference(
        max_abs=max_abs,
        max_rel=_max_rel(reference, gap),
        max_ulp=_max_ulp(reference, candidate, gap),
        mismatched=int(np.count_nonzero(gap > allowed)),
        compared=int(gap.size),
    )


def _max_rel(reference: Array, gap: Float) -> float:
    if reference.dtype.kind in "OSUb":
        return float(gap.max())
    size = np.abs(reference.astype(np.float64))
    usable = np.isfinite(size) & (size > 0)
    return float((gap[usable] / size[usable]).max()) if usable.any() else float(gap.max())


def _max_ulp(reference: Array, candidate: Array, gap: Float) -> float:
    if reference.dtype.kind != "f":
        return float(gap.max())
    size = np.maximum(np.abs(reference), np.abs(candidate.astype(reference.dtype)))
    usable = np.isfinite(size) & np.isfinite(gap)
    if not usable.all() and np.isinf(gap).any():
        return float("inf")
    step = np.spacing(size[usable]).astype(np.float64)
    return float((gap[usable] / step).max()) if usable.any() else 0.0


def within(reference: Array, candidate: Array, rtol: float, atol: float) -> NDArray[np.bool_]:
    """Tell per element whether |candidate - reference| <= atol + rtol × |reference|."""
    gap = distance(reference, candidate)
    if reference.dtype.kind in "OSUb":
        return np.asarray(gap == 0)
    size = np.abs(reference.astype(np.float64))
    allowed = atol + rtol * np.where(np.isfinite(size), size, 0.0)
    return np.asarray((gap == 0) | (gap <= allowed))
