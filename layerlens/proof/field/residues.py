"""Exact arithmetic on arrays of residues modulo several primes, and keyed functions of them.

An element of an array is a tuple of residues, one for each prime. Primes are drawn by seed from
about three million just below 2^31, so that no constant of a model can be chosen against them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

#: Residues of an array: one leading axis for the primes.
Residues = NDArray[np.int64]

_TOP = 2**31
_POOL_WIDTH = 2**26
#: There are at least this many primes in the pool (about width / ln 2^31).
POOL = 3_000_000
#: The least prime of the pool, for error bounds.
LEAST_PRIME = _TOP - _POOL_WIDTH
#: Two different tuples of residues have the same fingerprint with at most this chance.
COLLISION = 2.0**-120

_U64 = np.uint64
_LANES = 2


class VanishedError(Exception):
    """A denominator that is not zero has a residue that is; another seed helps."""


@lru_cache(maxsize=256)  # every pair of a run asks for the same ones
def primes(seed: int, count: int) -> tuple[int, ...]:
    """Return different primes of the pool."""
    rng = np.random.default_rng([seed, count, 0x5EED])
    found: list[int] = []
    while len(found) < count:
        number = int(rng.integers(LEAST_PRIME, _TOP)) | 1
        if number not in found and _is_prime(number):
            found.append(number)
    return tuple(found)


def _is_prime(number: int) -> bool:
    """Return whether an odd number below 3,215,031,751 is prime (Miller-Rabin, bases 2 to 7)."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


@dataclass(frozen=True)
class Field:
    """The product of the prime fields of one draw, its random numbers and its keyed functions."""

    seed: int
    primes: tuple[int, ...]

    @classmethod
    def drawn(cls, seed: int, count: int) -> Field:
        """Return the field of a seed with `count` primes."""
        return cls(seed, primes(seed, count))

    @cached_property
    def rng(self) -> np.random.Generator:
        """The source of inputs and weights."""
        return np.random.default_rng([self.seed, len(self.primes), 0xD4A3])

    @cached_property
    def _key(self) -> bytes:
        return hashlib.blake2b(f"{self.seed}/{self.primes}".encode(), digest_size=32).digest()

    @cached_property
    def _salts(self) -> dict[str, NDArray[np.uint64]]:
        return {}

    @property
    def prime_count(self) -> int:
        """How many primes tell two elements apart."""
        return len(self.primes)

    def moduli(self, rank: int) -> NDArray[np.int64]:
        """Return the primes, shaped to stand before arrays of a rank."""
        return np.array(self.primes, np.int64).reshape((-1,) + (1,) * rank)

    def draw(self, shape: Sequence[int]) -> Residues:
        """Return independent random residues of an array of a shape."""
        return np.stack([self.rng.integers(0, p, tuple(shape)) for p in self.primes])

    def draw_samples(self, shape: Sequence[int]) -> Residues:
        """Return independent random residues of an input whose first axis is that of samples."""
        return self.draw(shape)

    def of(self, number: Fraction) -> list[int]:
        """Return the residues of a fraction."""
        return [number.numerator * pow(number.denominator, -1, p) % p for p in self.primes]

    def of_each(self, numbers: Sequence[Fraction], where: NDArray[np.int64]) -> Residues:
        """Return the residues of `numbers[where]`."""
        table = np.array([self.of(number) for number in numbers], np.int64)
        return np.ascontiguousarray(table.reshape(-1, len(self.primes)).T[:, where])

    def of_integers(self, array: NDArray[np.generic]) -> Residues:
        """Return the residues of integers or truth values."""
        whole = array.astype(np.int64)
        return np.stack([np.mod(whole, p) for p in self.primes])

    # --- arithmetic -------------------------------------------------------------------------------

    def add(self, one: Residues, other: Residues) -> Residues:
        """Return the elementwise sum; shapes broadcast behind the axis of primes."""
        one, other = aligned(one, other)
        total = one + other
        moduli = self.moduli(total.ndim - 1)
        return np.where(total >= moduli, total - moduli, total)

    def negative(self, one: Residues) -> Residues:
        """Return the additive inverse of each element."""
        return np.where(one == 0, 0, self.moduli(one.ndim - 1) - one)

    def multiply(self, one: Residues, other: Residues) -> Residues:
        """Return the elementwise product; shapes broadcast behind the axis of primes."""
        one, other = aligned(one, other)
        product = one * other
        product %= self.moduli(product.ndim - 1)
        return product

    def reduced(self, one: Residues) -> Residues:
        """Return numbers from 0 to 2^63 modulo the primes."""
        return one % self.moduli(one.ndim - 1)

    def reciprocal(self, one: Residues) -> Residues:
        """Return the multiplicative inverse of each element (Fermat's little theorem).

        Raises:
            ZeroDivisionError: an element is zero modulo every prime, and so zero as a function.
            VanishedError: an element is zero modulo some of the primes.
        """
        zero = one == 0
        if zero.all(axis=0).any():
            raise ZeroDivisionError("a denominator is zero everywhere")
        if zero.any():
            raise VanishedError
        found = np.empty_like(one)
        for row, prime in enumerate(self.primes):
            base, left = one[row], prime - 2
            power = np.ones_like(base)
            while left:
                if left & 1:
                    power = power * base % prime
                left >>= 1
                if left:
                    base = base * base % prime
            found[row] = power
        return found

    def is_zero(self, one: Residues) -> NDArray[np.bool_]:
        """Return which elements are zero modulo every prime."""
        return np.asarray((one == 0).all(axis=0))

    def is_number(self, one: Residues, number: Fraction) -> NDArray[np.bool_]:
        """Return which elements are a number modulo every prime."""
        wanted = np.array(self.of(number), np.int64).reshape(-1, *(1,) * (one.ndim - 1))
        return np.asarray((one == wanted).all(axis=0))

    def whole_numbers(self, one: Residues) -> NDArray[np.int64]:
        """Return which integer below all primes each element is; -1 where it is none."""
        same = (one == one[0]).all(axis=0)
        return np.where(same, one[0], -1)

    def are_equal(self, one: Residues, other: Residues) -> NDArray[np.bool_]:
        """Return which elements of two arrays of one shape are equal modulo every prime."""
        return np.asarray((one == other).all(axis=0))

    def is_same(self, one: Residues, other: Residues) -> bool:
        """Return whether two arrays have one shape and equal elements."""
        return np.array_equal(one, other)

    def without_sign(self, one: Residues) -> tuple[Residues, NDArray[np.bool_]]:
        """Return each element or its negative, whichever comes first, and which were negated."""
        flipped = one[0] > self.primes[0] // 2
        return np.where(flipped, self.negative(one), one), flipped

    def complement(self, one: Residues) -> Residues:
        """Return 1 - x of each element."""
        return self.add(np.ones_like(one), self.negative(one))

    # --- keyed functions --------------------------------------------------------------------------

    def fingerprints(self, one: Residues, name: str = "") -> NDArray[np.uint64]:
        """Return two keyed 64-bit numbers for each element: shape (2, ...)."""
        salts = self._salts_of(name)[: 2 * _LANES].reshape(2, _LANES, *(1,) * (one.ndim - 1))
        found = np.broadcast_to(salts[0], (_LANES, *one.shape[1:]))
        with np.errstate(over="ignore"):
            for taken in one.astype(_U64):
                found = _mixed((found ^ taken) + salts[1])
        return found

    def hashed(self, name: str, one: Residues) -> Residues:
        """Return an unknown function's value at each element: equal elements, equal values."""
        first, second = self.fingerprints(one, name)
        shape = -1, *(1,) * (one.ndim - 1)
        factors = np.arange(1, 2 * len(self.primes), 2).astype(_U64).reshape(shape)
        with np.errstate(over="ignore"):
            mixed = _mixed(first + second * factors + self._salts_of(name)[2 * _LANES])
        return (mixed % np.array(self.primes, _U64).reshape(shape)).astype(np.int64)

    def hashed_text(self, text: bytes) -> list[int]:
        """Return the residues that an unknown function has at a sequence of bytes."""
        found = []
        for row, prime in enumerate(self.primes):
            digest = hashlib.blake2b(text, key=self._key, digest_size=16, salt=bytes([row]))
            found.append(int.from_bytes(digest.digest(), "little") % prime)
        return found

    def _salts_of(self, name: str) -> NDArray[np.uint64]:
        if name not in self._salts:
            digest = hashlib.blake2b(name.encode(), key=self._key, digest_size=40).digest()
            self._salts[name] = np.frombuffer(digest, _U64)
        return self._salts[name]


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a permutation of 64-bit numbers that spreads every bit (SplitMix64's finalizer)."""
    bits = (bits ^ (bits >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> _U64(27))) * _U64(0x94D049BB133111EB)
    return bits ^ (bits >> _U64(31))


def aligned(one: Residues, other: Residues) -> tuple[Residues, Residues]:
    """Return both with as many axes, so that NumPy broadcasts behind the axis of primes."""
    rank = max(one.ndim, other.ndim)
    return _with_rank(one, rank), _with_rank(other, rank)


def _with_rank(one: Residues, rank: int) -> Residues:
    return one.reshape(one.shape[:1] + (1,) * (rank - one.ndim) + one.shape[1:])
