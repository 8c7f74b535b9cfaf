"""Draw values for a weight from its name and shape, away from every default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from layerlens.numerics.arrays import Array

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


#: The bias of a gate that keeps the state: it forgets a part of exp(-9) from step to step.
_KEEPING = 9.0
#: What an LSTM's forget gate and a GRU's update gate are among a cell's gates, by their number.
_GATES = {4: 1, 3: 0}


def is_recurrent_kernel(slot: WeightSlot) -> bool:
    return slot.path.rsplit("/", 1)[-1] == "recurrent_kernel"


def with_kept_state(slots: Sequence[WeightSlot], drawn: Iterable[Array]) -> Iterator[Array]:
    """Yield drawn weights, those of recurrent cells so that their state is kept for long.

    A simple cell hands its state on as it is; of a cell with gates, the one that forgets is closed
    by its bias (Gers, Schmidhuber and Cummins, *Learning to Forget*, 2000).
    """
    units = {
        slot.path.rpartition("/")[0]: slot.shape[-2]
        for slot in slots
        if is_recurrent_kernel(slot) and len(slot.shape) >= 2
    }
    for slot, value in zip(slots, drawn, strict=True):
        parent, _, role = slot.path.rpartition("/")
        size = units.get(parent, 0)
        gates = slot.shape[-1] // size if size and slot.shape else 0
        if is_recurrent_kernel(slot) and size:
            yield np.eye(size) if slot.shape == (size, size) else np.multiply(value, 0.1)
        elif role == "bias" and size and gates * size == slot.shape[-1]:
            yield _keeping(slot.shape, size, gates)
        else:
            yield value


def _keeping(shape: tuple[int, ...], units: int, gates: int) -> Array:
    """Return the bias of a cell: of a GRU that resets after, the first row is the inputs' own."""
    bias = np.zeros(shape)
    gate = _GATES.get(gates)
    if gate is not None:
        bias.reshape(-1, shape[-1])[0, gate * units : (gate + 1) * units] = _KEEPING
    return bias


def _is_floating(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat"))
