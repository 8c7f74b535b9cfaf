"""The fields of several seeds, in which a proof is run under all of them at once.

Everything that is drawn and every function is exactly that of each field alone. Wherever the fields
would not decide alike, `SeedsDisagreeError` is raised: then each seed has to be run by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from layerlens.proof.field.maxima import Maxima
from layerlens.proof.field.multiples import Multiples
from layerlens.proof.field.residues import Field, Residues, VanishedError, _mixed


class SeedsDisagreeError(Exception):
    """A proof would go on in another way under some of the seeds."""


def agreed(answers: Sequence[Any]) -> Any:
    """Return the one answer that all fields give."""
    first = answers[0]
    if isinstance(first, np.ndarray):
        alike = all(np.array_equal(first, other) for other in answers)
    else:
        alike = all(first == other for other in answers)
    if not alike:
        raise SeedsDisagreeError
    return first


@dataclass(frozen=True)
class Fields(Field):
    """Several fields of as many primes; the residues of each stand one after another."""

    parts: tuple[Field, ...]

    @classmethod
    def of_seeds(cls, seeds: Sequence[int], count: int) -> Fields:
        parts = tuple(Field.drawn(seed, count) for seed in seeds)
        return cls(seeds[0], tuple(p for part in parts for p in part.primes), parts)

    @property
    def prime_count(self) -> int:
        return self.parts[0].prime_count

    def split(self, one: Residues) -> list[Residues]:
        """Return the residues of each field."""
        count = self.prime_count
        return [one[first : first + count] for first in range(0, len(self.primes), count)]

    def grouped(self, one: Residues) -> Residues:
        """Return residues with an axis for the fields and one for the primes of each."""
        return one[: len(self.primes)].reshape(len(self.parts), -1, *one.shape[1:])

    # --- draws ------------------------------------------------------------------------------------

    def draw(self, shape: Sequence[int]) -> Residues:
        return np.concatenate([part.draw(shape) for part in self.parts])

    # --- decisions --------------------------------------------------------------------------------

    def is_zero(self, one: Residues) -> NDArray[np.bool_]:
        return self._every_prime(one == 0)

    def is_number(self, one: Residues, number: Fraction) -> NDArray[np.bool_]:
        wanted = np.array(self.of(number), np.int64).reshape(-1, *(1,) * (one.ndim - 1))
        return self._every_prime(one == wanted)

    def are_equal(self, one: Residues, other: Residues) -> NDArray[np.bool_]:
        return self._every_prime(one == other)

    def _every_prime(self, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
        found = self.grouped(holds).all(axis=1)
        if (found != found[0]).any():
            raise SeedsDisagreeError
        return np.asarray(found[0])

    def is_same(self, one: Residues, other: Residues) -> bool:
        if one.shape != other.shape:
            return False
        return bool(agreed(self.grouped(one == other).reshape(len(self.parts), -1).all(1).tolist()))

    def whole_numbers(self, one: Residues) -> NDArray[np.int64]:
        parts = zip(self.parts, self.split(one), strict=True)
        found: NDArray[np.int64] = agreed([part.whole_numbers(given) for part, given in parts])
        return found

    # --- arithmetic -------------------------------------------------------------------------------

    def reciprocal(self, one: Residues) -> Residues:
        zero = self.grouped(one == 0)
        if agreed(zero.all(axis=1).reshape(len(self.parts), -1).any(axis=1).tolist()):
            raise ZeroDivisionError("a denominator is zero everywhere")
        if agreed(zero.reshape(len(self.parts), -1).any(axis=1).tolist()):
            raise VanishedError
        moduli = self.moduli(one.ndim - 1)
        found, base = np.ones_like(one), one
        for bit in range(31):
            is_factor = (moduli - 2) >> bit & 1 == 1
            found = np.where(is_factor, found * base % moduli, found)
            base = base * base % moduli
        return found

    def without_sign(self, one: Residues) -> tuple[Residues, NDArray[np.bool_]]:
        first = self.grouped(self.moduli(one.ndim - 1))[:, :1]
        flipped = self.grouped(one)[:, :1] > first // 2
        flipped = np.repeat(flipped, self.prime_count, axis=1).reshape(one.shape)
        return np.where(flipped, self.negative(one), one), flipped

    # --- keyed functions --------------------------------------------------------------------------

    @cached_property
    def _numbered(self) -> list[dict[Any, int]]:
        return [{} for _ in self.parts]

    def fingerprints(self, one: Residues, name: str = "") -> NDArray[np.uint64]:
        """Return those of the first field, if the same elements are alike in the others."""
        found = [
            part.fingerprints(e, name) for part, e in zip(self.parts, self.split(one), strict=True)
        ]
        agreed(
            [
                [
                    known.setdefault((name, *pair), len(known))
                    for pair in zip(*(np.ravel(lane).tolist() for lane in each), strict=True)
                ]
                for known, each in zip(self._numbered, found, strict=True)
            ]
        )
        return found[0]

    def hashed(self, name: str, one: Residues) -> Residues:
        shape, count = one.shape[1:], self.prime_count
        flat = one.reshape(len(one), 1, -1)
        rows = [*self.grouped(flat).swapaxes(0, 1), *flat[len(self.primes) :, None]]
        salts = np.array([part._salts_of(name) for part in self.parts])[:, :, None]
        lanes = np.broadcast_to(salts[:, :2], (len(self.parts), 2, flat.shape[-1]))
        factors = np.arange(1, 2 * count, 2).astype(np.uint64)[:, None]
        moduli = np.array(self.primes, np.uint64).reshape(-1, count, 1)
        with np.errstate(over="ignore"):
            for row in rows:
                lanes = _mixed((lanes ^ row.astype(np.uint64)) + salts[:, 2:4])
            mixed = _mixed(lanes[:, :1] + lanes[:, 1:] * factors + salts[:, 4:])
        return (mixed % moduli).astype(np.int64).reshape(len(self.primes), *shape)

    def hashed_text(self, text: bytes) -> list[int]:
        raise AssertionError("each field names its own elements")


class MultiplesAtOnce(Multiples):
    """What functions were asked for in each field."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.parts = [Multiples(part) for part in fields.parts]
        super().__init__(fields)

    @property
    def tried(self) -> int:
        """How often, in each field."""
        return int(agreed([part.tried for part in self.parts]))

    @tried.setter
    def tried(self, count: int) -> None:
        for part in self.parts:
            part.tried = count

    def earlier(self, name: str, given: Residues) -> tuple[Fraction, Residues] | None:
        parts = zip(self.parts, self.fields.split(given), strict=True)
        found = [part.earlier(name, each) for part, each in parts]
        factor = agreed([None if one is None else one[0] for one in found])
        if factor is None:
            return None
        return factor, np.concatenate([one[1] for one in found if one is not None])

    def remember(self, name: str, given: Residues, value: Residues) -> None:
        for part, *each in zip(
            self.parts, self.fields.split(given), self.fields.split(value), strict=True
        ):
            part.remember(name, *each)


class MaximaAtOnce(Maxima):
    """The maxima of each field."""

    def __init__(self, fields: Fields, multiples: MultiplesAtOnce | None, most: int) -> None:
        super().__init__(fields, multiples, most)
        self.fields = fields
        asked = [None] * len(fields.parts) if multiples is None else multiples.parts
        self.parts = [Maxima(*pair, most) for pair in zip(fields.parts, asked, strict=True)]

    def _joined(self, function: Callable[..., Residues], *arrays: Residues) -> Residues:
        split = [self.fields.split(array) for array in arrays]
        return np.concatenate([function(*each) for each in zip(self.parts, *split, strict=True)])

    def of_two(self, one: Residues, other: Residues) -> Residues:
        split = [self.fields.split(one), self.fields.split(other)]
        for part, *each in zip(self.parts, *split, strict=True):
            if any(part._are_maxima(given).any() for given in each):
                return self._joined(Maxima.of_two, one, other)
        found = self._half_of_distance(one, other)
        for part, *given in zip(self.parts, self.fields.split(found), *split, strict=True):
            part._note(*given)
        return found

    def of_each_row(self, one: Residues) -> Residues:
        return self._joined(Maxima.of_each_row, one)

    def in_order(self, one: Residues, count: int) -> Residues:
        return self._joined(lambda part, each: part.in_order(each, count), one)

    def through(
        self, one: Residues, found: Residues, function: Callable[[Residues], Residues]
    ) -> Residues:
        count = len(self.parts)

        def in_field(place: int, given: Residues) -> Residues:
            return self.fields.split(function(np.tile(given, (count, 1))))[place]

        split = zip(self.parts, self.fields.split(one), self.fields.split(found), strict=True)
        return np.concatenate(
            [
                part.through(*each, partial(in_field, place))
                for place, (part, *each) in enumerate(split)
            ]
        )


@contextmanager
def all_at_once(seeds: Sequence[int]) -> Iterator[None]:
    """Let a proof under the first seed be one under all of them.

    Where a proof asks for other seeds, because chance was against it, it takes those as far behind
    each of them.
    """

    class Drawn:
        @staticmethod
        def drawn(seed: int, count: int) -> Fields:
            return Fields.of_seeds([one + seed - seeds[0] for one in seeds], count)

    def maxima(given: Field, multiples: Any, most: int) -> Maxima:
        return (MaximaAtOnce if isinstance(given, Fields) else Maxima)(given, multiples, most)

    def multiples(given: Field) -> Multiples:
        return (MultiplesAtOnce if isinstance(given, Fields) else Multiples)(given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("layerlens.proof.graphs.Field", Drawn)
        patched.setattr("layerlens.proof.field.algebra.Maxima", maxima)
        patched.setattr("layerlens.proof.field.algebra.Multiples", multiples)
        yield
