"""Features of random outputs, whose means differ where the distributions do. NumPy alone.

A feature is a number that one call gives: an element's average over the copies of one sample, its
square, how often it is zero, how two elements go together. Equal distributions have equal means of
every feature; Welch's z compares those of two models.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, Float
from layerlens.numerics.probes import generator

#: By how much of an element's greatest value rounding may move it: in float64, and in working
#: precision.
RESOLUTION, COARSE_RESOLUTION = 1e-11, 1e-6
#: Values this many resolutions apart are two values; an element is measured in units of its
#: spread, but no finer than the second.
APART, STEADY = 10.0, 1e4
#: Means of standardised features closer than this count as equal: only some 10^7 draws of an
#: element would tell them apart, and rounding stays below.
CLOSE = 1e-3
#: The same for shares of draws, which nothing but their own summing rounds.
SHARE = 1e-12
#: Standardised values are cut off here, so that a mean does not hang on its greatest value.
FARTHEST = 20.0
#: Where thresholds lie: for single elements, and for all of a sample together.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999)
#: How many elements have features beside mean, spread and share of zeros, and how many are held
#: against each other, two by two.
MOST_PICKED, MOST_PAIRED = 4096, 12
DIRECTIONS = 6


def numbers(outputs: Sequence[Array], copies: int, samples: int) -> Float:
    """Return all outputs of a call as (copies, samples, elements).

    A batch holds all samples once, then all of them again. Where an output has no batch axis, as a
    slice may leave it, the whole call is one sample. Words become numbers of their own.
    """
    plain = [_as_numbers(output) for output in outputs]
    if all(one.ndim and len(one) == copies * samples for one in plain):
        return np.concatenate([one.reshape(copies, samples, -1) for one in plain], axis=2)
    return np.concatenate([one.ravel() for one in plain])[None, None, :]


def _as_numbers(output: Array) -> Float:
    if output.dtype.kind in "OSU":
        words = [float(zlib.crc32(str(word).encode())) for word in output.ravel()]
        return np.asarray(words).reshape(output.shape)
    return output.astype(np.float64)


@dataclass(frozen=True)
class Features:
    """What is measured of each call; a few first calls of both models say on which scale."""

    #: Where each output's elements lie, with its shape; the batch axis is left out.
    outputs: Sequence[tuple[slice, tuple[int, ...]]]
    resolution: float
    #: Each element's greatest size, and by how much rounding may move it on the scale below.
    size: Float
    blur: Float
    #: Centre and spread of each element, in units of `size`.
    centre: Float
    spread: Float
    picked: NDArray[np.intp]
    paired: NDArray[np.intp]
    thresholds: Sequence[Float]
    tails: Sequence[Float]
    #: The least and the greatest value of each picked element of each model, in units of `size`.
    ends: Sequence[Float]
    directions: Float

    @classmethod
    def of(
        cls,
        one: Sequence[Float],
        other: Sequence[Float],
        shapes: Sequence[tuple[int, ...]],
        resolution: float,
    ) -> Features:
        """Choose scales and thresholds from first calls (see `numbers`), alike for both models."""
        sides = [np.concatenate(calls) for calls in (one, other)]
        samples, elements = sides[0].shape[1:]
        finite = [np.where(np.isfinite(side), side, np.nan) for side in sides]
        sizes = [_over_draws(np.nanmax, np.abs(side)) for side in finite]
        size = np.maximum(*sizes)
        size[size == 0] = 1.0
        finite = [side / size for side in finite]
        (mean, mean2), (std, std2) = (
            [_over_draws(function, side) for side in finite] for function in (np.nanmean, np.nanstd)
        )
        spread = np.maximum(np.maximum(std, std2), np.abs(mean - mean2))
        spread = np.maximum(spread, STEADY * resolution)
        centre = (mean + mean2) / 2.0
        blur = APART * resolution / spread
        picked = _spaced(elements, max(1, MOST_PICKED // samples))
        pooled = np.concatenate([(side - centre) / spread for side in finite])
        each = np.sort(pooled[..., picked], axis=0)  # what is not finite comes last
        every = np.sort(np.moveaxis(pooled, 1, 0).reshape(samples, -1), axis=1).T
        return cls(
            tuple(_places(shapes, elements)),
            resolution,
            size,
            blur,
            centre,
            spread,
            picked,
            _spaced(elements, MOST_PAIRED),
            [_threshold(each, share, blur[:, picked]) for share in QUANTILES],
            [_threshold(every, share, blur.max(axis=1)) for share in TAILS],
            [
                _over_draws(function, side[..., picked])
                for side in finite
                for function in (np.nanmin, np.nanmax)
            ],
            generator(0, "directions", elements).choice([-1.0, 1.0], (elements, DIRECTIONS))
            / np.sqrt(elements),
        )

    def of_call(self, values: Float) -> tuple[Float, Float]:
        """Return every feature of one call, and how far apart equal means may be by rounding."""
        parts = [(part.ravel(), close) for part, close in self._parts(values)]
        return (
            np.concatenate([part for part, _ in parts]),
            np.concatenate([np.full(part.size, close) for part, close in parts]),
        )

    def _parts(self, values: Float) -> Iterator[tuple[Float, float]]:
        finite = np.isfinite(values)
        relative = np.where(finite, values, 0.0) / self.size
        free = np.where(finite, (relative - self.centre) / self.spread, 0.0)
        z = np.clip(free, -FARTHEST, FARTHEST)
        zero = finite & (np.abs(relative) <= APART * self.resolution)
        mean, square, zeros = _averaged(z), _averaged(z * z), _averaged(zero)
        yield mean, CLOSE
        yield square, CLOSE
        yield zeros, SHARE
        yield len(z) * mean**2, CLOSE  # large where copies share what is drawn
        yield square.mean(axis=1), CLOSE
        yield zeros.mean(axis=1), SHARE
        yield from self._of_elements(values, relative, free)
        yield from self._of_samples(z, free)
        for place, shape in self.outputs:
            whole = (*z.shape[:2], *shape)
            yield from _neighbours(z[..., place].reshape(whole), zero[..., place].reshape(whole))
        yield from self._across_outputs(z)

    def _of_elements(
        self, values: Float, relative: Float, free: Float
    ) -> Iterator[tuple[Float, float]]:
        """Yield what is measured of picked elements: shares of what is not finite, of values
        below thresholds and of the values at both ends, which discrete draws have again and again.
        """
        few, some, standard = (array[..., self.picked] for array in (values, relative, free))
        finite = np.isfinite(few)
        for is_special in (np.isnan, np.isposinf, np.isneginf):
            special = np.zeros(few.shape[1:]) if finite.all() else _averaged(is_special(few))
            yield special, SHARE
        yield _averaged(np.abs(np.clip(standard, -FARTHEST, FARTHEST))), CLOSE
        for threshold in self.thresholds:
            yield _averaged(finite & (standard < threshold)), SHARE
        for end in self.ends:
            yield _averaged(finite & (np.abs(some - end) <= APART * self.resolution)), SHARE

    def _of_samples(self, z: Float, free: Float) -> Iterator[tuple[Float, float]]:
        """Yield what is measured of all elements of a sample together."""
        size = np.abs(z)
        for threshold in self.tails:
            yield _averaged(free < threshold[:, None]).mean(axis=1), SHARE
        along = z @ self.directions
        yield _averaged(along * along), CLOSE
        yield _averaged(np.abs(along)), CLOSE
        chosen = z[..., self.paired].transpose(1, 2, 0)
        together = chosen @ chosen.transpose(0, 2, 1) / len(z)
        yield together[:, *np.triu_indices(len(self.paired), 1)], CLOSE
        if z.shape[1] > 1:  # what neighbours in the batch have in common
            for array in (z, size):
                yield _averaged(array[:, 1:] * array[:, :-1]).mean(axis=1), CLOSE
        if len(z) > 1:
            for array in (z, size):
                yield _averaged(array[1:] * array[:-1]).mean(axis=1), CLOSE

    def _across_outputs(self, z: Float) -> Iterator[tuple[Float, float]]:
        """Yield how the elements of two outputs of one size go together, place by place."""
        for (one, _), (other, _) in combinations(self.outputs, 2):
            if one.stop - one.start == other.stop - other.start:
                product = z[..., one] * z[..., other]
                yield _averaged(product).mean(axis=1), CLOSE
                yield _averaged(np.abs(product)).mean(axis=1), CLOSE


def _averaged(array: NDArray[Any]) -> Float:
    """Return the mean over the first axis; by a product, which is several times faster."""
    flat = array.reshape(len(array), -1)
    if flat.dtype != np.float64:
        flat = flat.astype(np.float32)  # whole numbers: summed exactly
    total = np.ones(len(flat), flat.dtype) @ flat
    return np.asarray(total.astype(np.float64) / len(flat)).reshape(array.shape[1:])


def _neighbours(z: Float, zero: NDArray[np.bool_]) -> Iterator[tuple[Float, float]]:
    """Yield how often neighbours vanish together, and how values and sizes of neighbours agree."""
    for axis in range(2, z.ndim):
        if z.shape[axis] < 2:
            continue
        later, earlier = (
            (*(slice(None),) * axis, part) for part in (slice(1, None), slice(None, -1))
        )
        product = z[later] * z[earlier]
        for array, close in (
            (zero[later] & zero[earlier], SHARE),
            (product, CLOSE),
            (np.abs(product), CLOSE),
        ):
            yield _averaged(array).reshape(z.shape[1], -1).mean(axis=1), close


def _places(
    shapes: Sequence[tuple[int, ...]], elements: int
) -> Iterator[tuple[slice, tuple[int, ...]]]:
    sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
    if sum(sizes) != elements:  # the batch axis is gone: what lies beside what is not known
        yield slice(0, elements), (elements,)
        return
    start = 0
    for size, shape in zip(sizes, shapes, strict=True):
        yield slice(start, start + size), shape
        start += size


def _spaced(count: int, most: int) -> NDArray[np.intp]:
    """Return up to `most` places, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def _over_draws(function: Callable[..., Float], draws: Float) -> Float:
    """Return a figure of each element over its finite draws; 0 where there are none."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # there may be none
        return np.nan_to_num(function(draws, axis=0))


def _threshold(ordered: Float, share: float, blur: Float) -> Float:
    """Return a number that the share of the draws lies below, none so near that rounding counts.

    `ordered` has draws along its first axis, NaN last. Between two draws that are one value but for
    rounding, the threshold goes right above them.
    """
    count = np.isfinite(ordered).sum(axis=0)
    place = np.minimum((share * count).astype(np.intp), np.maximum(count - 2, 0))
    low, high = (
        np.take_along_axis(ordered, np.minimum(at, len(ordered) - 1)[None], axis=0)[0]
        for at in (place, place + 1)
    )
    middle = (low + high) / 2.0
    return np.asarray(np.where(high - low > 2.0 * blur, middle, np.nan_to_num(low) + 2.0 * blur))


@dataclass
class Moments:
    """Count, mean and variance of features, gathered call by call."""

    count: int = 0
    mean: Float = field(default_factory=lambda: np.zeros(()))
    _squares: Float = field(default_factory=lambda: np.zeros(()))

    def add(self, features: Float) -> None:
        """Add one call (Welford, Technometrics 4, 1962)."""
        self.count += 1
        gap = features - self.mean
        self.mean = self.mean + gap / self.count
        self._squares = self._squares + gap * (features - self.mean)

    @property
    def variance_of_mean(self) -> Float:
        return self._squares / max(1, self.count - 1) / self.count


def scores(one: Moments, other: Moments, close: Float) -> Float:
    """Return Welch's z for every feature; 0 where the means are as close as rounding may leave."""
    gap = other.mean - one.mean
    error = np.sqrt(one.variance_of_mean + other.variance_of_mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(gap) <= close, 0.0, gap / error)
