"""Which samples or steps each element depends on: a graph run in an algebra without numbers.

The same interpreter runs the same graph; instead of residues there is one lane for each step, or
for each group of samples, which is 1 where an element may depend on it. Constants and weights
depend on none. What is not supported is taken to depend on all that goes into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, islice
from math import comb, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.arithmetic import Bilinear
from layerlens.proof.field.growth import Growth
from layerlens.proof.field.maxima import Maxima
from layerlens.proof.field.residues import Field, Residues
from layerlens.proof.field.value import CannotProveError, Value

#: More steps are not told apart.
MOST_STEPS = 128


def groups_of(samples: int) -> NDArray[np.int64]:
    """Return which groups each sample is in: (groups, samples), of 0 and 1.

    Each sample is in another half of the groups, so that no sample is in all groups of another.
    """
    count = next(n for n in range(2, 64) if comb(n, n // 2) >= samples)
    found = np.zeros((count, samples), np.int64)
    for sample, chosen in enumerate(islice(combinations(range(count), count // 2), samples)):
        found[list(chosen), sample] = 1
    return found


def dependence(lanes: int) -> Algebra:
    """Return an algebra with a number of lanes."""
    return _Dependence(_Lanes(0, (2,) * lanes))


def sample_by_sample(samples: int, shape: Sequence[int]) -> Residues:
    """Return an array whose elements depend each on the sample it belongs to."""
    groups = groups_of(samples)
    spread = groups.reshape(*groups.shape, *(1,) * (len(shape) - 1))
    return np.broadcast_to(spread, (len(groups), *shape)).copy()


def step_by_step(
    samples: int, shapes: Sequence[tuple[int, ...]], steps: Sequence[int]
) -> list[Residues]:
    """Return inputs of some shapes, each with a lane for each of its steps.

    Raises:
        CannotProveError: there are too many.
    """
    total = sum(steps)
    if total > MOST_STEPS:
        raise CannotProveError(f"masks are computed from more than {MOST_STEPS} steps")
    first = np.cumsum([0, *steps])
    return [
        np.broadcast_to(
            np.eye(total, dtype=np.int64)[:, begin : begin + count].reshape(
                total, 1, *(shape if count == prod(shape) else (*shape[:-1], 1))
            ),
            (total, samples, *shape),
        ).copy()
        for shape, begin, count in zip(shapes, first, steps, strict=False)
    ]


def stays_with_its_sample(lanes: Residues) -> bool:
    """Return whether each element depends at most on the sample at its place on the first axis."""
    own = sample_by_sample(lanes.shape[1], lanes.shape[1:])
    return bool((lanes <= own).all())


@dataclass(frozen=True)
class _Lanes(Field):
    """Numbers 0 and 1: whatever is done with some, the greatest of them comes out."""

    def draw(self, shape: Sequence[int]) -> Residues:
        return np.zeros((len(self.primes), *shape), np.int64)

    def draw_samples(self, shape: Sequence[int]) -> Residues:
        return sample_by_sample(shape[0], shape)

    def of(self, number: Fraction) -> list[int]:
        return [0] * len(self.primes)

    def of_each(self, numbers: Sequence[Fraction], where: NDArray[np.int64]) -> Residues:
        return np.zeros((len(self.primes), *where.shape), np.int64)

    def of_integers(self, array: NDArray[Any]) -> Residues:
        return np.zeros((len(self.primes), *array.shape), np.int64)

    def add(self, one: Residues, other: Residues) -> Residues:
        rank = max(one.ndim, other.ndim)
        first, second = (
            lanes.reshape(lanes.shape[:1] + (1,) * (rank - lanes.ndim) + lanes.shape[1:])
            for lanes in (one, other)
        )
        return np.asarray(np.maximum(first, second))

    def negative(self, one: Residues) -> Residues:
        return one

    def multiply(self, one: Residues, other: Residues) -> Residues:
        return self.add(one, other)

    def reduced(self, one: Residues) -> Residues:
        return (one > 0).astype(np.int64)

    def reciprocal(self, one: Residues) -> Residues:
        return one

    def complement(self, one: Residues) -> Residues:
        return one

    def is_zero(self, one: Residues) -> NDArray[np.bool_]:
        return np.zeros(one.shape[1:], bool)

    def is_number(self, one: Residues, number: Fraction) -> NDArray[np.bool_]:
        return np.zeros(one.shape[1:], bool)

    def whole_numbers(self, one: Residues) -> NDArray[np.int64]:
        return np.full(one.shape[1:], -1)

    def hashed(self, name: str, one: Residues) -> Residues:
        return one[: len(self.primes)]


@dataclass
class _Dependence(Algebra):
    def __post_init__(self) -> None:
        self.maxima = _Greatest(self.field)

    def sums_of_products(
        self,
        function: Bilinear,
        one: Value,
        other: Value,
        terms: int,
        *,
        shared: bool = False,
        spread: frozenset[int] | None = None,
    ) -> Value:
        first, second = self.residues(one), self.residues(other)
        ones = [np.ones(lanes.shape[1:]) for lanes in (first, second)]
        found = [
            np.asarray(function(mine.astype(np.float64), ones[1]))
            + np.asarray(function(ones[0], theirs.astype(np.float64)))
            for mine, theirs in zip(first, second, strict=True)
        ]
        return self.made(self.field.reduced(np.stack(found)), spread=None)

    def note(self, what: str, residues: Residues, growth: Growth) -> None:
        """Where a model is defined is noted when numbers are computed."""


@dataclass
class _Greatest(Maxima):
    def of_two(self, one: Residues, other: Residues) -> Residues:
        return np.asarray(np.maximum(one, other))

    def of_each_row(self, one: Residues) -> Residues:
        return np.asarray(one.max(axis=2))

    def in_order(self, one: Residues, count: int) -> Residues:
        return np.repeat(one.max(axis=2, keepdims=True), count, axis=2)

    def through(
        self, one: Residues, found: Residues, function: Callable[[Residues], Residues]
    ) -> Residues:
        return found

    def absolute(self, one: Residues) -> Residues:
        return one
