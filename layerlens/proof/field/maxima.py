"""Maxima as sets: associative, commutative, idempotent, and passed by increasing functions."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.multiples import Multiples
from layerlens.proof.field.residues import Field, Residues
from layerlens.proof.field.value import CannotProveError
from layerlens.proof.limits import MOST_MAXIMA

#: More elements than this are not looked at one by one.
MOST_SETS = 300_000
_MARKS = 2**22

#: An element: its residues.
Element = tuple[int, ...]


@dataclass
class Maxima:
    """The maxima of one proof. Each is remembered with the elements it is the greatest of."""

    field: Field
    #: What distances were asked for, where a factor may pass them.
    multiples: Multiples | None = None
    #: More maxima than this are not remembered.
    most: int = MOST_MAXIMA
    _members: dict[Element, frozenset[Element]] = dataclasses.field(default_factory=dict)
    #: Arrays of maxima of two, with the arrays that these were taken of, and where each array
    #: starts if the elements of all are counted.
    _pairs: list[tuple[Residues, Residues, Residues]] = dataclasses.field(default_factory=list)
    _firsts: list[int] = dataclasses.field(default_factory=lambda: [0])
    #: The number of each maximum among the elements of `_pairs`, by two of its residues; -1 for
    #: one in `_members`. What is not among them is no maximum.
    _numbers: dict[int, int] = dataclasses.field(default_factory=dict)
    #: The last bits of all these residues, to look up few elements one by one.
    _marks: NDArray[np.bool_] = dataclasses.field(
        default_factory=lambda: np.zeros(_MARKS, np.bool_)
    )

    def of_two(self, one: Residues, other: Residues) -> Residues:
        """Return the elementwise maximum of arrays of one shape: residues of shape (primes, n)."""
        either = self._are_maxima(one) | self._are_maxima(other)
        found = np.empty(one.shape, np.int64)
        free = ~either
        if free.any():
            first, second = one[:, free], other[:, free]
            found[:, free] = self._half_of_distance(first, second)
            self._note(found[:, free], first, second)
        if either.any():
            self._limit(int(either.sum()))
            for position in np.flatnonzero(either):
                found[:, position] = self._greatest([one[:, position], other[:, position]])
        return found

    def of_each_row(self, one: Residues) -> Residues:
        """Return the maxima over the last axis: from (primes, n, k) to (primes, n)."""
        if one.shape[2] == 1:
            return one[:, :, 0]
        if one.shape[2] == 2:
            return self.of_two(one[:, :, 0], one[:, :, 1])
        self._limit(one.shape[1] * one.shape[2])
        found = np.empty(one.shape[:2], np.int64)
        for row in range(one.shape[1]):
            found[:, row] = self._greatest(list(one[:, row].T))
        return found

    def in_order(self, one: Residues, count: int) -> Residues:
        """Return the greatest elements of each row in order: from (primes, n, k) to (primes, n, c).

        What stands at a place is an unknown function of the elements in any order. The greatest
        and the least one are a maximum, and what stands at a place of the negated elements stands
        at its mirror image with the other sign.
        """
        rows, width = one.shape[1:]
        self._limit(rows * width)
        found = np.empty((len(one), rows, count), np.int64)
        if count:
            found[:, :, 0] = self.of_each_row(one)
        if count == width:
            found[:, :, -1] = self.field.negative(self.of_each_row(self.field.negative(one)))
        negated = self.field.negative(one)
        for row in range(rows):
            texts = [
                np.array(sorted(map(_element, part[:, row].T)), np.int64).tobytes()
                for part in (one, negated)
            ]
            text, is_mirrored = min(texts), texts[1] < texts[0]
            for place in range(1, min(count, width - 1)):
                at = width - 1 - place if is_mirrored else place
                name = b"in order %d " % at
                value = np.array(self.field.hashed_text(name + text), np.int64)
                found[:, row, place] = self.field.negative(value) if is_mirrored else value
        return found

    def through(
        self, one: Residues, found: Residues, function: Callable[[Residues], Residues]
    ) -> Residues:
        """Replace `found = function(one)` by the maximum of the function where `one` is a maximum.

        For an increasing function both are the same. Arrays are of shape (primes, n).
        """
        hits = np.flatnonzero(self._are_maxima(one))
        if not hits.size:
            return found
        self._limit(int(hits.size))
        found = found.copy()
        for position in hits:
            members = self._members_of(one[:, position])
            values = function(np.array(sorted(members), np.int64).T)
            found[:, position] = self._greatest(list(values.T))
        return found

    # --- one element at a time --------------------------------------------------------------------

    def _greatest(self, elements: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        members = frozenset[Element]().union(*(self._members_of(one) for one in elements))
        return self._of_members(members)

    def _of_members(self, members: frozenset[Element]) -> NDArray[np.int64]:
        ordered = sorted(members)
        if len(ordered) == 1:
            return np.array(ordered[0], np.int64)
        if len(ordered) == 2:
            first, second = (np.array([one], np.int64).T for one in ordered)
            found = self._half_of_distance(first, second)[:, 0]
        else:
            text = np.array(ordered, np.int64).tobytes()
            found = np.array(self.field.hashed_text(b"maximum" + text), np.int64)
        self._members[_element(found)] = members
        key = int(_keys(found))
        self._numbers.setdefault(key, -1)
        self._marks[key % _MARKS] = True
        return found

    def _members_of(self, element: NDArray[np.int64]) -> frozenset[Element]:
        own = _element(element)
        if own in self._members:
            return self._members[own]
        number = self._numbers.get(int(_keys(element)), -1)
        if number >= 0:
            array = bisect_right(self._firsts, number) - 1
            position = number - self._firsts[array]
            found, one, other = (part[:, position] for part in self._pairs[array])
            if np.array_equal(found, element):
                return frozenset([_element(one), _element(other)])
        return frozenset([own])

    # --- |a - b| ----------------------------------------------------------------------------------

    def _half_of_distance(self, one: Residues, other: Residues) -> Residues:
        """Return (a + b + |a - b|) / 2, in which the distance is an even unknown function."""
        field = self.field
        distance = self.absolute(field.add(one, field.negative(other)))
        total = field.add(field.add(one, other), distance)
        halves = np.array([pow(2, -1, p) for p in field.primes], np.int64)
        return field.multiply(total, halves.reshape(-1, *(1,) * (total.ndim - 1)))

    def absolute(self, one: Residues) -> Residues:
        """Return the absolute value of each element, as an even unknown function that is 0 at 0."""
        if self.multiples is not None:
            earlier = self.multiples.earlier("absolute", one)
            if earlier is not None:
                return self.multiples.scaled(abs(earlier[0]), earlier[1])
        even, _ = self.field.without_sign(one)
        found = np.where(self.field.is_zero(one), 0, self.field.hashed("absolute", even))
        if self.multiples is not None:
            self.multiples.remember("absolute", one, found)
        return found

    # --- which elements are maxima ----------------------------------------------------------------

    def _note(self, found: Residues, one: Residues, other: Residues) -> None:
        new = ~self._are_maxima(found)  # the other model has most of them too
        found, one, other = (part[:, new] for part in (found, one, other))
        start = self._firsts[-1]
        end = start + found.shape[1]
        if end > self.most:
            raise CannotProveError(f"there are more than {self.most:,} maxima")
        self._pairs.append((found, one, other))
        self._firsts.append(end)
        keys = _keys(found)
        self._numbers.update(zip(keys.tolist(), range(start, end), strict=True))
        self._marks[keys % _MARKS] = True

    def _are_maxima(self, one: Residues) -> NDArray[np.bool_]:
        """Return which elements may be maxima: two of their residues are those of one."""
        keys = _keys(one)
        found = self._marks[keys % _MARKS]
        few = np.flatnonzero(found)
        found[few] = [key in self._numbers for key in keys[few].tolist()]
        return found

    def _limit(self, count: int) -> None:
        if count > MOST_SETS:
            raise CannotProveError(f"a maximum is taken over {count:,} elements")


def _keys(residues: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first and the last residue of each element as one number."""
    return np.asarray((residues[0] << 31) | residues[-1])


def _element(residues: NDArray[np.int64]) -> Element:
    return tuple(int(residue) for residue in residues)
