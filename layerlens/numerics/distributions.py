"""Features of random outputs, whose means differ where the distributions do. NumPy alone.

A feature is a number computed from one call: an element's mean over the copies of one sample, the
mean of its square, the share of zeros, the product of two elements. Equal distributions have equal
means of every feature; Welch's z compares these means between two models.
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

#: The effect of rounding on an element, relative to its greatest value: in float64, and in working
#: precision.
RESOLUTION, COARSE_RESOLUTION = 1e-11, 1e-6
#: Values at least this many resolutions apart are distinct. The unit of an element is its spread,
#: but at least the second number of resolutions.
MIN_DISTANCE, MIN_SPREAD = 10.0, 1e4
#: Means of standardized features closer than this are equal: it takes about 10^7 draws of an
#: element to distinguish them, and rounding is smaller.
MEAN_ATOL = 1e-3
#: The same for shares of draws, which only their own summation rounds.
SHARE_ATOL = 1e-12
#: Standardized values are clipped to this, so that the greatest one does not dominate a mean.
CLIP = 20.0
#: The quantiles used as thresholds: for single elements, and for all elements of a sample.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999)
#: How many elements have features besides mean, spread and share of zeros, and of how many all
#: pairs are compared.
MAX_PICKED, MAX_PAIRED = 4096, 12
DIRECTIONS = 6


def numbers(outputs: Sequence[Array], copies: int, samples: int) -> Float:
    """Return all outputs of a call as (copies, samples, elements).

    A batch holds all samples once, then all of them again. Where an output has no batch axis (after
    a slice), the whole call is one sample. Strings are mapped to numbers.
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
    """The features of a call, with scales and thresholds from a few first calls of both models."""

    #: The slice of each output's elements, and its per-sample shape.
    outputs: Sequence[tuple[slice, tuple[int, ...]]]
    resolution: float
    #: Each element's greatest size, and the effect of rounding in units of its spread.
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
        spread = np.maximum(spread, MIN_SPREAD * resolution)
        centre = (mean + mean2) / 2.0
        blur = MIN_DISTANCE * resolution / spread
        picked = _spaced_indices(elements, max(1, MAX_PICKED // samples))
        pooled = np.concatenate([(side - centre) / spread for side in finite])
        each = np.sort(pooled[..., picked], axis=0)  # NaN comes last
        every = np.sort(np.moveaxis(pooled, 1, 0).reshape(samples, -1), axis=1).T
        return cls(
            tuple(_output_slices(shapes, elements)),
            resolution,
            size,
            blur,
            centre,
            spread,
            picked,
            _spaced_indices(elements, MAX_PAIRED),
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
        """Return all features of one call, and by feature how far rounding may separate means."""
        parts = [(part.ravel(), atol) for part, atol in self._features(values)]
        return (
            np.concatenate([part for part, _ in parts]),
            np.concatenate([np.full(part.size, atol) for part, atol in parts]),
        )

    def _features(self, values: Float) -> Iterator[tuple[Float, float]]:
        finite = np.isfinite(values)
        relative = np.where(finite, values, 0.0) / self.size
        free = np.where(finite, (relative - self.centre) / self.spread, 0.0)
        z = np.clip(free, -CLIP, CLIP)
        zero = finite & (np.abs(relative) <= MIN_DISTANCE * self.resolution)
        mean, square, zeros = (
            _mean_over_copies(z),
            _mean_over_copies(z * z),
            _mean_over_copies(zero),
        )
        yield mean, MEAN_ATOL
        yield square, MEAN_ATOL
        yield zeros, SHARE_ATOL
        yield len(z) * mean**2, MEAN_ATOL  # large where copies share a draw
        yield square.mean(axis=1), MEAN_ATOL
        yield zeros.mean(axis=1), SHARE_ATOL
        yield from self._of_elements(values, relative, free)
        yield from self._of_samples(z, free)
        for place, shape in self.outputs:
            whole = (*z.shape[:2], *shape)
            yield from _neighbours(z[..., place].reshape(whole), zero[..., place].reshape(whole))
        yield from self._across_outputs(z)

    def _of_elements(
        self, values: Float, relative: Float, free: Float
    ) -> Iterator[tuple[Float, float]]:
        """Yield features of the picked elements.

        These are the shares of values that are not finite, that are below each threshold, and that
        equal the least or the greatest value, which discrete distributions repeat.
        """
        few, some, standard = (array[..., self.picked] for array in (values, relative, free))
        finite = np.isfinite(few)
        for is_special in (np.isnan, np.isposinf, np.isneginf):
            special = (
                np.zeros(few.shape[1:]) if finite.all() else _mean_over_copies(is_special(few))
            )
            yield special, SHARE_ATOL
        yield _mean_over_copies(np.abs(np.clip(standard, -CLIP, CLIP))), MEAN_ATOL
        for threshold in self.thresholds:
            yield _mean_over_copies(finite & (standard < threshold)), SHARE_ATOL
        for end in self.ends:
            yield (
                _mean_over_copies(finite & (np.abs(some - end) <= MIN_DISTANCE * self.resolution)),
                SHARE_ATOL,
            )

    def _of_samples(self, z: Float, free: Float) -> Iterator[tuple[Float, float]]:
        """Yield features of all elements of a sample together."""
        size = np.abs(z)
        for threshold in self.tails:
            yield _mean_over_copies(free < threshold[:, None]).mean(axis=1), SHARE_ATOL
        along = z @ self.directions
        yield _mean_over_copies(along * along), MEAN_ATOL
        yield _mean_over_copies(np.abs(along)), MEAN_ATOL
        chosen = z[..., self.paired].transpose(1, 2, 0)
        together = chosen @ chosen.transpose(0, 2, 1) / len(z)
        yield together[:, *np.triu_indices(len(self.paired), 1)], MEAN_ATOL
        if z.shape[1] > 1:  # correlation of neighbours in the batch
            for array in (z, size):
                yield _mean_over_copies(array[:, 1:] * array[:, :-1]).mean(axis=1), MEAN_ATOL
        if len(z) > 1:
            for array in (z, size):
                yield _mean_over_copies(array[1:] * array[:-1]).mean(axis=1), MEAN_ATOL

    def _across_outputs(self, z: Float) -> Iterator[tuple[Float, float]]:
        """Yield the mean products of corresponding elements, for two outputs of one size."""
        for (one, _), (other, _) in combinations(self.outputs, 2):
            if one.stop - one.start == other.stop - other.start:
                product = z[..., one] * z[..., other]
                yield _mean_over_copies(product).mean(axis=1), MEAN_ATOL
                yield _mean_over_copies(np.abs(product)).mean(axis=1), MEAN_ATOL


def _mean_over_copies(array: NDArray[Any]) -> Float:
    """Return the mean over the first axis, by a matrix product, which is several times faster."""
    flat = array.reshape(len(array), -1)
    if flat.dtype != np.float64:
        flat = flat.astype(np.float32)  # integers: summed exactly
    total = np.ones(len(flat), flat.dtype) @ flat
    return np.asarray(total.astype(np.float64) / len(flat)).reshape(array.shape[1:])


def _neighbours(z: Float, zero: NDArray[np.bool_]) -> Iterator[tuple[Float, float]]:
    """Yield the share of zero neighbours, and the mean products of neighbours and their sizes."""
    for axis in range(2, z.ndim):
        if z.shape[axis] < 2:
            continue
        later, earlier = (
            (*(slice(None),) * axis, part) for part in (slice(1, None), slice(None, -1))
        )
        product = z[later] * z[earlier]
        for array, atol in (
            (zero[later] & zero[earlier], SHARE_ATOL),
            (product, MEAN_ATOL),
            (np.abs(product), MEAN_ATOL),
        ):
            yield _mean_over_copies(array).reshape(z.shape[1], -1).mean(axis=1), atol


def _output_slices(
    shapes: Sequence[tuple[int, ...]], elements: int
) -> Iterator[tuple[slice, tuple[int, ...]]]:
    sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
    if sum(sizes) != elements:  # without the batch axis, the neighbours are unknown
        yield slice(0, elements), (elements,)
        return
    start = 0
    for size, shape in zip(sizes, shapes, strict=True):
        yield slice(start, start + size), shape
        start += size


def _spaced_indices(count: int, most: int) -> NDArray[np.intp]:
    """Return up to `most` indices, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def _over_draws(function: Callable[..., Float], draws: Float) -> Float:
    """Reduce each element's finite draws by a function; 0 where there are none."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # there may be none
        return np.nan_to_num(function(draws, axis=0))


def _threshold(ordered: Float, share: float, blur: Float) -> Float:
    """Return a quantile, at a distance from the draws that rounding does not bridge.

    `ordered` has sorted draws along its first axis, NaN last. Where the two draws around the
    quantile differ by rounding alone, the threshold is right above them.
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
    """Count, mean and variance of features, accumulated call by call."""

    count: int = 0
    mean: Float = field(default_factory=lambda: np.zeros(()))
    _squares: Float = field(default_factory=lambda: np.zeros(()))

    def add(self, features: Float) -> None:
        """Add one call (Welford, Technometrics 4, 1962)."""
        self.count += 1
        difference = features - self.mean
        self.mean = self.mean + difference / self.count
        self._squares = self._squares + difference * (features - self.mean)

    @property
    def variance_of_mean(self) -> Float:
        return self._squares / max(1, self.count - 1) / self.count


def scores(one: Moments, other: Moments, atol: Float) -> Float:
    """Return Welch's z for every feature; 0 where the means differ by at most `atol`."""
    difference = other.mean - one.mean
    error = np.sqrt(one.variance_of_mean + other.variance_of_mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(difference) <= atol, 0.0, difference / error)
