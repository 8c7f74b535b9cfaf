"""Search for the input on which two models differ most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import distance
from layerlens.numerics.probes import Domain, Probe, draw_probes, generator
from layerlens.plain import stage

#: Samples in each generation, and how many of them are the parents of the next one.
POPULATION = 32
KEPT = 8
#: Greatest magnitude a searched input may take.
LIMIT = 1e6


def search(
    reference: Side,
    candidate: Side,
    weights: Sequence[tuple[Values, Values]],
    domains: Sequence[Domain],
    seed: int,
    *,
    generations: int = 12,
    constants: Sequence[float] = (),
) -> tuple[int, Probe] | None:
    """Maximize the relative difference of the float64 outputs by an evolutionary search.

    Each generation keeps the samples whose outputs differ most relative to their size, and adds
    altered copies: rescaled, sparsified, crossed, set to configuration constants. Where nothing
    differs yet, this is a random walk over scales and patterns that the listed probes lack.

    Returns the position in `weights` and the best inputs as one probe, or None where no sample
    shows a difference.
    """
    stage.enter("searching for an input on which they differ, because no probe shows a difference")
    rng = generator(seed, "search")
    drawn = draw_probes(domains, seed + 17, samples=2, constants=constants)
    pool = [np.concatenate([p.inputs[i] for p in drawn]) for i in range(len(domains))]
    population = _sample(pool, rng.permutation(len(pool[0]))[:POPULATION])
    best: tuple[float, int, list[Array]] | None = None
    for generation in range(generations):
        choice = generation % len(weights)
        scores = _scores(reference, candidate, weights[choice], population)
        if scores is None:
            return None
        # Ties are shuffled, so that the parents change even where nothing differs yet.
        shuffled = rng.permutation(len(scores))
        order = shuffled[np.argsort(-scores[shuffled], kind="stable")]
        if scores[order[0]] > 0 and (best is None or scores[order[0]] > best[0]):
            best = (float(scores[order[0]]), choice, _sample(population, order[:KEPT]))
        parents = _sample(population, order[:KEPT])
        population = [
            _next_generation(rng, parent, domain, constants)
            for parent, domain in zip(parents, domains, strict=True)
        ]
    return None if best is None else (best[1], Probe("search", tuple(best[2])))


def _sample(arrays: Sequence[Array], rows: NDArray[np.int64]) -> list[Array]:
    return [array[rows] for array in arrays]


def _scores(
    reference: Side, candidate: Side, weights: tuple[Values, Values], inputs: Sequence[Array]
) -> NDArray[np.float64] | None:
    one = reference.run(weights[0], inputs, "float64", "traced_dynamic")
    other = candidate.run(weights[1], inputs, "float64", "traced_dynamic")
    if one.error or other.error or one.shapes != other.shapes:
        return None
    size = len(inputs[0])
    scores = np.zeros(size)
    for left, right in zip(one.outputs, other.outputs, strict=True):
        if left.ndim == 0 or len(left) != size or left.size == 0:
            continue
        difference = distance(left, right)
        if left.dtype.kind == "f":
            difference = difference / (
                np.where(np.isfinite(left), np.abs(left), 0.0) + _scale_of(inputs, left)
            )
        scores = np.maximum(
            scores, np.nan_to_num(difference, posinf=1e300).reshape(size, -1).max(axis=1)
        )
    return scores


def _scale_of(inputs: Sequence[Array], output: Array) -> NDArray[np.float64]:
    """Return, per sample, the scale to which a difference is relative where outputs are small."""
    size = np.ones(len(output))
    for array in inputs:
        if array.dtype.kind == "f" and array.size:
            size = np.maximum(size, np.abs(array).reshape(len(array), -1).max(axis=1))
    return size.reshape(len(size), *(1 for _ in output.shape[1:]))


def _next_generation(
    rng: np.random.Generator, parents: Array, domain: Domain, constants: Sequence[float]
) -> Array:
    """Return the parents and altered copies of them, up to the population's size."""
    children = parents[rng.integers(0, len(parents), POPULATION - len(parents))].copy()
    others = parents[rng.integers(0, len(parents), len(children))]
    mixed = rng.random(children.shape) < 0.5
    cross = rng.random(len(children)) < 0.3
    children[cross] = np.where(mixed[cross], children[cross], others[cross])
    if domain.kind == "integer":
        flips = rng.random(children.shape) < 0.2
        replacement = rng.integers(domain.low, domain.high, children.shape).astype(children.dtype)
        return np.concatenate([parents, np.where(flips, replacement, children)])
    if domain.kind != "float":
        return np.concatenate([parents, children])
    for position in range(len(children)):
        children[position] = _altered(rng, children[position].astype(np.float64), constants)
    return np.concatenate([parents, np.clip(children, -LIMIT, LIMIT).astype(parents.dtype)])


def _altered(
    rng: np.random.Generator, sample: NDArray[np.float64], constants: Sequence[float]
) -> NDArray[np.float64]:
    kind = int(rng.integers(0, 7))
    if kind == 0:
        return np.asarray(sample * 10.0 ** rng.uniform(-3, 3))
    if kind == 1:
        return np.asarray(sample + rng.standard_normal(sample.shape) * 10.0 ** rng.uniform(-6, 2))
    if kind == 2:
        return np.where(rng.random(sample.shape) < rng.random(), sample, 0.0)
    if kind == 3:
        return np.asarray(-sample)
    if kind == 4 and constants:
        drawn = rng.choice(np.asarray(constants), sample.shape) * rng.choice([-1, 1], sample.shape)
        return np.where(rng.random(sample.shape) < 0.3, drawn, sample)
    if kind == 5 and sample.ndim:
        return np.asarray(np.broadcast_to(sample[..., :1], sample.shape) * rng.uniform(0.5, 2.0))
    return np.asarray(rng.standard_normal(sample.shape) * 10.0 ** rng.uniform(-6, 6))
