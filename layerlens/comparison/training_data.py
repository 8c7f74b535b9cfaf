"""Draw inputs and targets for training, the same for every model."""

from __future__ import annotations

import numpy as np

from layerlens.models.keras_errors.explain_target import BINARY, CATEGORICAL, SPARSE, loss_name
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain, generator

_ONE_HOT = tuple(name for name in CATEGORICAL if name != "kl_divergence")
_SIGNS = ("hinge", "squared_hinge")
_POSITIVE = ("poisson", "mean_squared_logarithmic_error", "mean_absolute_percentage_error")
_ZERO_OR_ONE = (*BINARY, "dice", "tversky")


def draw_inputs(domains: tuple[Domain, ...], samples: int, seed: int) -> tuple[Array, ...]:
    """Draw one array per input, batch axis first; the same shapes give the same numbers."""
    return tuple(_draw_input(domain, place, samples, seed) for place, domain in enumerate(domains))


def _draw_input(domain: Domain, place: int, samples: int, seed: int) -> Array:
    shape = (samples, *domain.shape)
    rng = generator(seed, "fit input", place, shape)
    if domain.kind == "integer":
        return rng.integers(domain.low, domain.high, shape).astype(domain.spec.dtype)
    if domain.kind == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if domain.kind == "string":
        return rng.choice(np.array(domain.words, dtype=object), shape)
    return rng.standard_normal(shape)


def draw_targets(
    loss: str, shape: tuple[int, ...], output: tuple[int, ...], samples: int, seed: int
) -> Array:
    """Draw targets in the domain of a loss; `shape` and `output` are per-sample shapes.

    One-hot rows for the categorical losses, class numbers for the sparse one, 0 and 1 for the
    binary ones, -1 and 1 for hinge, distributions for the Kullback-Leibler divergence, positive
    numbers where the loss takes a logarithm or divides, and normal ones otherwise.
    """
    name = loss_name(loss)
    whole = (samples, *shape)
    rng = generator(seed, "fit target", whole)
    if name in SPARSE:
        return rng.integers(0, output[-1], whole).astype("int32")
    if name in _ONE_HOT:
        return np.eye(shape[-1])[rng.integers(0, shape[-1], whole[:-1])]
    if name in _ZERO_OR_ONE:
        return rng.integers(0, 2, whole).astype("float64")
    if name in _SIGNS:
        return rng.integers(0, 2, whole) * 2.0 - 1.0
    if name == "kl_divergence":
        weights = rng.exponential(size=whole)
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
    if name in _POSITIVE:
        return rng.exponential(size=whole) + 0.1
    return rng.standard_normal(whole)
