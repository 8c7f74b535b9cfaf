"""Probes for great lengths, with distinct steps at one end. NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain, Probe, generator

#: The number of distinct steps at an end.
_END_STEPS = 3
#: The factor by which a distinct step exceeds the others.
_CORNER_SCALE = 3.0

#: (name, distinct end, kind of the other steps), the most informative first.
KINDS: tuple[tuple[str, str | None, str], ...] = (
    ("normal", None, "normal"),
    ("first_steps", "first", "zero"),
    ("last_steps", "last", "zero"),
    ("first_above", "first", "below"),
    ("first_below", "first", "above"),
    ("last_above", "last", "below"),
    ("last_below", "last", "above"),
    ("first_silent", "first", "normal"),
    ("last_silent", "last", "normal"),
)


def far_probes(domains: Sequence[Domain], axes: Sequence[int], seed: int) -> Iterator[Probe]:
    """Yield a probe of one sample for every kind; `axes` are the long ones, the batch axis counted.

    Where only the first steps hold values, the last outputs show whether these are remembered. A
    first step above all others shows whether a maximum includes it. Along several long axes, the
    distinct steps are the corner at which all axes begin, or end.
    """
    for name, end, rest_kind in KINDS:
        yield Probe(
            name,
            tuple(_array(d, axes, n, name, end, rest_kind, seed) for n, d in enumerate(domains)),
        )


def _array(
    domain: Domain,
    axes: Sequence[int],
    position: int,
    name: str,
    end: str | None,
    rest_kind: str,
    seed: int,
) -> Array:
    rng = generator(seed, "far", name, position, domain.shape)
    shape = domain.shape
    corner = _corner(shape, axes, end)
    if domain.kind == "string":
        words: Array = np.asarray(domain.words or ("",), dtype=object)
        drawn: Array = rng.choice(words, shape)
        rest = drawn if rest_kind == "normal" else np.full(shape, words[0], dtype=object)
        return np.where(corner, words[-1] if rest_kind == "normal" else drawn, rest)[None]
    if domain.kind == "bool":
        drawn = rng.random(shape) < 0.5
        rest = {"normal": drawn, "above": np.ones(shape, dtype=bool)}.get(
            rest_kind, np.zeros(shape, dtype=bool)
        )
        corner_values = (
            np.zeros(shape, dtype=bool) if rest_kind == "normal" else np.logical_not(rest)
        )
        return np.where(corner, corner_values, rest)[None]
    if domain.kind == "integer":
        numbers = rng.integers(domain.low, domain.high, shape)
        low, high = np.full(shape, domain.low), np.full(shape, domain.high - 1)
        rest = {"normal": numbers, "above": high, "zero": low, "below": low}[rest_kind]
        corner_values = {"normal": low, "above": low}.get(rest_kind, np.maximum(numbers, low + 1))
        corner_values = np.minimum(corner_values, high)
        return np.where(corner, corner_values, rest)[None].astype(domain.spec.dtype)
    values = rng.standard_normal(shape)
    small = 0.01 + rng.random(shape)
    rest = {"normal": values, "zero": np.zeros(shape), "above": small, "below": -small}[rest_kind]
    corner_values = {
        "normal": np.zeros(shape),
        "zero": _CORNER_SCALE * values,
        "above": -_CORNER_SCALE * small,
        "below": _CORNER_SCALE * small,
    }[rest_kind]
    return np.where(corner, corner_values, rest)[None].astype("float32")


def _corner(shape: Sequence[int], axes: Sequence[int], end: str | None) -> Array:
    """Return a mask of the steps at one end along all of the long axes."""
    is_corner = np.zeros(tuple(shape), dtype=bool)
    along = [axis - 1 for axis in axes if axis - 1 < len(shape)]
    if end is None or not along:
        return is_corner
    index: list[slice] = [slice(None)] * len(shape)
    for axis in along:
        index[axis] = slice(None, _END_STEPS) if end == "first" else slice(-_END_STEPS, None)
    is_corner[tuple(index)] = True
    return is_corner
