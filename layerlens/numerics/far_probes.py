"""Probes for great lengths, whose steps at one end stand out. NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain, Probe, generator

#: How many steps at an end stand out.
_END = 3
#: How far a step that stands out lies above or below all others.
_ABOVE = 3.0

#: Kinds, the most telling first: which end stands out, and what the other steps are.
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
    """Yield a probe of one sample for every kind; `axes` are the far ones, the batch axis counted.

    What only the first steps hold shows at the last ones whether they are remembered, and a first
    step above all others whether it is among those of which the greatest is taken. Along several
    far axes it is the corner at which all begin, or end.
    """
    for name, end, others in KINDS:
        yield Probe(
            name, tuple(_array(d, axes, n, name, end, others, seed) for n, d in enumerate(domains))
        )


def _array(
    domain: Domain,
    axes: Sequence[int],
    position: int,
    name: str,
    end: str | None,
    others: str,
    seed: int,
) -> Array:
    rng = generator(seed, "far", name, position, domain.shape)
    shape = domain.shape
    corner = _corner(shape, axes, end)
    if domain.kind == "string":
        words: Array = np.asarray(domain.words or ("",), dtype=object)
        drawn: Array = rng.choice(words, shape)
        rest = drawn if others == "normal" else np.full(shape, words[0], dtype=object)
        return np.where(corner, words[-1] if others == "normal" else drawn, rest)[None]
    if domain.kind == "bool":
        drawn = rng.random(shape) < 0.5
        rest = {"normal": drawn, "above": np.ones(shape, dtype=bool)}.get(
            others, np.zeros(shape, dtype=bool)
        )
        inside = np.zeros(shape, dtype=bool) if others == "normal" else np.logical_not(rest)
        return np.where(corner, inside, rest)[None]
    if domain.kind == "integer":
        numbers = rng.integers(domain.low, domain.high, shape)
        low, high = np.full(shape, domain.low), np.full(shape, domain.high - 1)
        rest = {"normal": numbers, "above": high, "zero": low, "below": low}[others]
        inside = {"normal": low, "above": low}.get(others, np.maximum(numbers, low + 1))
        inside = np.minimum(inside, high)
        return np.where(corner, inside, rest)[None].astype(domain.spec.dtype)
    values = rng.standard_normal(shape)
    small = 0.01 + rng.random(shape)
    rest = {"normal": values, "zero": np.zeros(shape), "above": small, "below": -small}[others]
    inside = {
        "normal": np.zeros(shape),
        "zero": _ABOVE * values,
        "above": -_ABOVE * small,
        "below": _ABOVE * small,
    }[others]
    return np.where(corner, inside, rest)[None].astype("float32")


def _corner(shape: Sequence[int], axes: Sequence[int], end: str | None) -> Array:
    """Return a mask of the steps at one end along all of the far axes."""
    chosen = np.zeros(tuple(shape), dtype=bool)
    along = [axis - 1 for axis in axes if axis - 1 < len(shape)]
    if end is None or not along:
        return chosen
    places: list[slice] = [slice(None)] * len(shape)
    for axis in along:
        places[axis] = slice(None, _END) if end == "first" else slice(-_END, None)
    chosen[tuple(places)] = True
    return chosen
