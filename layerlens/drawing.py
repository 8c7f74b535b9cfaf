"""A weight's name and shape become values to try it with: drawn, off every default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerlens.probes import Array

#: Kinds of weights so large that outputs may overflow.
OVERFLOWING: tuple[str, ...] = ("spread", "large", "opposed")
WEIGHT_KINDS: tuple[str, ...] = ("drawn", "gentle", "strong", *OVERFLOWING, "degenerate")


@dataclass(frozen=True, slots=True)
class WeightSlot:
    """What drawing a weight needs to know of it."""

    path: str
    shape: tuple[int, ...]
    dtype: str


def draw_weight(slot: WeightSlot, initial: Array, kind: str, rng: np.random.Generator) -> Array:
    """Draw values for one weight, moved off every default, positive where Keras needs it.

    `drawn` has the spread of a trained layer, `gentle` a smaller one (long recurrences stay
    tame), `strong` a larger one (saturations are reached), and `degenerate` has vanishing
    variances, where an epsilon decides. `spread` has magnitudes from a tenth to five hundred side
    by side and `large` from a hundred on, so that bounds which only large weights reach are met;
    `opposed` is `large` with every sign turned, where drawn from the same generator: an output that
    stays on one side of zero for all inputs is met on both.
    Integer weights (counts) keep their value.
    """
    role = slot.path.rsplit("/", 1)[-1]
    if not _is_floating(slot.dtype):
        return initial
    gain = {"drawn": 1.0, "gentle": 0.3, "strong": 3.0}.get(kind, 1.0)
    shape = slot.shape
    if kind in OVERFLOWING and "variance" not in role:
        least = -1.0 if kind == "spread" else 2.0
        signs = [1.0, -1.0] if kind == "opposed" else [-1.0, 1.0]
        values = rng.choice(signs, shape) * 10.0 ** rng.uniform(least, 2.7, shape)
    elif "variance" in role:
        if kind == "degenerate":
            values = rng.choice([0.0, 1e-9, 1e-6, 1e-3], shape)
        else:
            values = np.exp(0.7 * rng.standard_normal(shape))
    elif "gamma" in role or role == "scale":
        values = 1.0 + 0.5 * gain * rng.standard_normal(shape)
    elif "kernel" in role or (len(shape) >= 2 and "embedding" not in role and "bias" not in role):
        fan_in = max(1, int(np.prod(shape[:-1])))
        values = gain * rng.standard_normal(shape) / np.sqrt(fan_in)
    elif "embedding" in role:
        values = gain * rng.standard_normal(shape)
    else:
        values = 0.5 * gain * rng.standard_normal(shape)
    return np.asarray(values)


def _is_floating(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat"))
