"""Draw values for a weight by its name and shape, different from every default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from layerlens.numerics.arrays import Array

#: Kinds of weights so large that outputs may overflow.
OVERFLOWING: tuple[str, ...] = ("spread", "large", "opposed")
WEIGHT_KINDS: tuple[str, ...] = ("drawn", "gentle", "strong", *OVERFLOWING, "degenerate")


@dataclass(frozen=True, slots=True)
class WeightSlot:
    """The path, shape and dtype of a weight to draw."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    #: Whether the weight is the kernel of a depthwise convolution, whose outputs see one channel.
    is_depthwise: bool = False

    @property
    def fan_in(self) -> int:
        """The number of inputs that one output of a kernel is computed from; at least 1."""
        seen = self.shape[:-2] if self.is_depthwise else self.shape[:-1]
        return max(1, prod(seen))


def draw_weight(slot: WeightSlot, initial: Array, kind: str, rng: np.random.Generator) -> Array:
    """Draw values for one weight, different from every default, positive where Keras requires it.

    Returns an array of the slot's shape. `drawn` has the spread of a trained layer, `gentle` a
    smaller one (for long recurrences), `strong` a larger one (for saturation), and `degenerate` has
    variances near 0, where an epsilon matters. `spread` has sizes from 0.1 to 500 together and
    `large` from 100 to 500, to reach bounds that need large weights. `opposed`, drawn from an equal
    generator, is `large` with every sign reversed: an output that has one sign for all inputs then
    has the other one. Integer weights (counts) keep their value.
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
        values = gain * rng.standard_normal(shape) / np.sqrt(slot.fan_in)
    elif "embedding" in role:
        values = gain * rng.standard_normal(shape)
    else:
        values = 0.5 * gain * rng.standard_normal(shape)
    return np.asarray(values)


#: The bias of a gate that keeps the state: the share of exp(-9) is forgotten at each step.
_KEEPING_BIAS = 9.0
#: Number of gates of a cell → the position of the gate that keeps its state: LSTM, GRU.
_KEEPING_GATE = {4: 1, 3: 0}


def is_recurrent_kernel(slot: WeightSlot) -> bool:
    return slot.path.rsplit("/", 1)[-1] == "recurrent_kernel"


def with_kept_state(slots: Sequence[WeightSlot], drawn: Iterable[Array]) -> Iterator[Array]:
    """Yield drawn weights, changed for recurrent cells so that these have a long memory.

    A simple cell passes its state on unchanged; in a cell with gates, a bias keeps the state (Gers,
    Schmidhuber and Cummins, *Learning to Forget*, 2000).
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
            yield _keeping_bias(slot.shape, size, gates)
        else:
            yield value


def _keeping_bias(shape: tuple[int, ...], units: int, gates: int) -> Array:
    """Return the bias of a cell; with GRU's `reset_after`, row 0 is the bias of the inputs."""
    bias = np.zeros(shape)
    gate = _KEEPING_GATE.get(gates)
    if gate is not None:
        bias.reshape(-1, shape[-1])[0, gate * units : (gate + 1) * units] = _KEEPING_BIAS
    return bias


def _is_floating(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat"))
