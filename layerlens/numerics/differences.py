"""Differences between two arrays, per element and as figures. NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, Float


@dataclass(frozen=True, slots=True)
class Difference:
    """Figures of the differences between two arrays of one shape.

    `max_abs` is in the arrays' own units. `max_rel` is over elements whose reference is finite and
    not zero; `max_ulp` is in ULPs of the arrays' dtype at the larger of the two values. NaN and
    infinity equal only themselves and are infinitely far from anything else.
    """

    max_abs: float
    max_rel: float
    max_ulp: float
    mismatched: int
    compared: int


def distance(reference: Array, candidate: Array) -> Float:
    """Return |candidate - reference| per element, in float64; the two shapes broadcast.

    It is infinite where only one is NaN or infinite. Strings and booleans are 0 or infinitely far
    apart.
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
    """Return the figures of two arrays of one shape.

    `mismatched` counts the elements whose absolute difference is above `allowed`.
    """
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
    """Return a mask of the elements with |candidate - reference| <= atol + rtol × |reference|.

    The rule is that of `numpy.isclose`, with NaN and each infinity equal to themselves.
    """
    gap = distance(reference, candidate)
    if reference.dtype.kind in "OSUb":
        return np.asarray(gap == 0)
    size = np.abs(reference.astype(np.float64))
    allowed = atol + rtol * np.where(np.isfinite(size), size, 0.0)
    return np.asarray((gap == 0) | (gap <= allowed))
