"""Which steps of the inputs are masked: every case, each as one sample of a batch.

A random residue is never the number that a mask looks for. So where a proof needs to know what an
input's steps are, all cases are tried: a step is wholly one of the numbers that it is held against,
or it is not, and then nothing but that is known of it.

Long inputs have too many cases. Then the steps share a few choices, in turn, as if the cases of a
short input were repeated. That covers all cases of an output that depends on no two steps of one
choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.algebra import Algebra, Given
from layerlens.proof.field.residues import Residues
from layerlens.proof.field.value import CannotProveError
from layerlens.proof.sizes import known_shape
from layerlens.scenario.spec import InputSpec

#: More cases than this are not tried: eight steps that are masked or not.
MOST_CASES = 256
#: More batches than this are not tried where a model takes batches of one size.
MOST_BATCHES = 64


@dataclass(frozen=True, slots=True)
class Cases:
    """All cases of the steps of some inputs."""

    #: By input: the numbers that its steps are held against.
    numbers: tuple[tuple[Fraction, ...], ...]
    #: By input, for each case: 0 where a step is none of the numbers, k where it is the k-th.
    chosen: tuple[NDArray[np.int64], ...]
    #: By input: which choice each of its steps takes.
    choices: tuple[NDArray[np.int64], ...]
    #: Whether some steps share a choice.
    are_repeated: bool = False

    @classmethod
    def of(
        cls,
        tested: Iterable[tuple[int, Fraction]],
        specs: Sequence[InputSpec],
    ) -> Cases:
        """Return the cases of inputs, whose shapes have no unknown axis.

        Raises:
            CannotProveError: there are too many.
        """
        numbers: list[list[Fraction]] = [[] for _ in specs]
        for index, number in sorted(tested):
            if number.denominator == 1 or not specs[index].is_integer:
                numbers[index].append(number)
        steps = [steps_of(spec) for spec in specs]
        ways = [range(1 + len(held)) for held in numbers]
        sizes = [prod(shape) if held else 0 for shape, held in zip(steps, numbers, strict=True)]
        counts = _affordable(sizes, [len(way) for way in ways])
        each = [way for way, count in zip(ways, counts, strict=True) for _ in range(count)]
        table = np.array(list(product(*each)), np.int64)
        total = len(table)
        parts = np.split(table.reshape(total, len(each)), np.cumsum(counts)[:-1], axis=1)
        choices = [
            (np.arange(prod(shape)) % max(count, 1)).reshape(shape)
            for shape, count in zip(steps, counts, strict=True)
        ]
        chosen = [
            part[:, choice] if held else np.zeros((total, *choice.shape), np.int64)
            for part, choice, held in zip(parts, choices, numbers, strict=True)
        ]
        return cls(tuple(map(tuple, numbers)), tuple(chosen), tuple(choices), counts != sizes)

    def cover(self, lanes: Residues, sizes: Sequence[int]) -> bool:
        """Return whether these are all cases of each of some elements.

        Args:
            lanes: by step of all inputs, one after the other, whether each element depends on it.
            sizes: the number of steps of each input.
        """
        parts = np.split(lanes, np.cumsum(sizes)[:-1])
        for part, choice, held in zip(parts, self.choices, self.numbers, strict=True):
            for one in np.unique(choice) if held else ():
                if (part[choice.ravel() == one].sum(axis=0) > 1).any():
                    return False
        return True

    def few(self) -> NDArray[np.int64]:
        """Return some telling cases: nothing is masked, everything, some."""
        total = len(self.chosen[0])
        return np.array([0, total - 1, total // 3])

    def batches(self, batch: int, *, fixed: bool) -> list[NDArray[np.int64]]:
        """Return which cases stand in which batches.

        All in one, with `batch` more, unless the models take batches of one size.

        Raises:
            CannotProveError: these are too many batches.
        """
        total = len(self.chosen[0])
        if not fixed:
            return [np.arange(total + batch) % total]
        count = -(-total // batch)
        if count > MOST_BATCHES:
            raise CannotProveError(f"masks have more cases than {MOST_BATCHES} batches hold")
        return list((np.arange(count * batch) % total).reshape(count, batch))

    def fill(
        self, algebra: Algebra, index: int, residues: Residues, rows: NDArray[np.int64]
    ) -> Given:
        """Return an input in which the steps are what the cases of some rows say."""
        wholly, rank = {}, residues.ndim - 1
        for place, number in enumerate(self.numbers[index], 1):
            steps = self.chosen[index][rows] == place
            wholly[number] = steps
            within = steps.reshape(*steps.shape, *(1,) * (rank - steps.ndim))
            held = np.array(algebra.field.of(number), np.int64).reshape(-1, *(1,) * rank)
            residues = np.where(within, held, residues)
        return Given(residues, wholly)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of inputs; where steps are distinguished, each sample is one case."""

    size: int
    #: The inputs; their shapes have no unknown axis.
    starts: tuple[InputSpec, ...]
    cases: Cases | None = None
    rows: NDArray[np.int64] | None = None

    def given(self, algebra: Algebra, index: int, residues: Residues) -> Given:
        """Return an input of these residues, but for what the cases say."""
        if self.cases is None or self.rows is None:
            return Given(residues, {})
        return self.cases.fill(algebra, index, residues, self.rows)


def _affordable(sizes: Sequence[int], ways: Sequence[int]) -> list[int]:
    """Return how many choices each input has: one a step, or as many as can be tried.

    Raises:
        CannotProveError: not even one.
    """
    for most in range(max(sizes, default=0), 0, -1):
        counts = [min(size, most) for size in sizes]
        if prod(way**count for way, count in zip(ways, counts, strict=True)) <= MOST_CASES:
            return counts
    if not any(sizes):
        return list(sizes)
    raise CannotProveError(f"masks have more than {MOST_CASES} cases")


def steps_of(spec: InputSpec) -> tuple[int, ...]:
    """Return the shape of an input's steps: each of integers, else all but the last axis."""
    shape = known_shape(spec)
    return shape if spec.is_integer else shape[:-1]
