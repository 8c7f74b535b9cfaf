"""Two models whose outputs are not equal become the usual relation between them, if one holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from layerlens.comparing import Array, input_scale, noise_floor
from layerlens.domains import BASE_LENGTHS, fixed_domains, has_variable_axis
from layerlens.entries import Inputs
from layerlens.judging import ROUNDING, ratios
from layerlens.measuring import Outcome
from layerlens.probes import Domain, draw_probes, join
from layerlens.sides import Precision, Side, Values
from layerlens.transfer import Transfer
from layerlens.weighing import weight_sets

Float = NDArray[np.float64]
Map = Callable[[Array], Array]

#: How closely float64 outputs have to agree, relative to their scale, to be measured at all.
PROMISING = 1e-9
PROBES = ("normal", "uniform", "negative", "saturating", "ties", "padded_end", "padded_front")
#: Permutations are tried up to this many axes beside the batch.
MOST_AXES = 4


def relation(reference: Side, candidate: Side, transfer: Transfer, seed: int) -> str | None:
    """Tell in a sentence how the outputs of two models relate, or None where no usual way holds.

    For outputs of another shape: one is a step, a window, the mean, sum, greatest or least over
    time (or over space), the flattening, a permutation of axes of the other, or one of its
    several outputs. For outputs of one shape: the reversal of time, a permutation of axes, a
    constant factor. What is told held in float64 on every element of several probes, within
    what rounding was measured to leave. Inference only; None where weights cannot be carried over.
    """
    if not transfer.complete or reference.training:
        return None
    comparison = _Comparison.of(reference, candidate, transfer, seed)
    if comparison is None:
        return None
    for a, b in ((1, 0), (0, 1)):
        for output in range(len(comparison.doubles[b].outputs)):
            found = comparison.find(a, b, output)
            if found is not None:
                return found
    return None


@dataclass(frozen=True, slots=True)
class _Relation:
    """One is this of the other; `text` has the names {a} and {b}, and {a} = apply({b})."""

    text: str
    apply: Map
    select: str | None = None
    #: How a sensitivity is carried along, where not as the value is.
    bound: Map | None = None

    def sentence(self, a: str, b: str, selectable: bool) -> str:
        told = self.text.format(a=f"`{a}`", b=f"`{b}`")
        if self.select and selectable:
            return f'{told}: `select: "{self.select}"` on `{b}` would state it'
        return told


@dataclass
class _Comparison:
    """The outputs of both models on the same probes and weights."""

    sides: tuple[Side, Side]
    values: tuple[Values, Values]
    inputs: Inputs
    doubles: tuple[Outcome, Outcome]
    seed: int
    _measured: list[tuple[Outcome, tuple[Float, ...]]] | None = None

    @classmethod
    def of(
        cls, reference: Side, candidate: Side, transfer: Transfer, seed: int
    ) -> _Comparison | None:
        sides = (reference, candidate)
        built = (reference.built, candidate.built)
        if [spec.shape for spec in built[0].inputs] != [spec.shape for spec in built[1].inputs]:
            return None
        weights = weight_sets(reference, candidate, transfer, seed)
        chosen = weights[1] if len(weights) > 1 else weights[0]
        values = (chosen.reference, chosen.candidate)
        lengths = BASE_LENGTHS if has_variable_axis(built[0]) else BASE_LENGTHS[:1]
        for length in lengths:
            inputs = _probes(fixed_domains(built, length), seed)
            doubles = tuple(
                side.run(value, inputs, "float64", "eager")
                for side, value in zip(sides, values, strict=True)
            )
            if all(outcome.error is None for outcome in doubles):
                return cls(sides, values, inputs, (doubles[0], doubles[1]), seed)
        return None

    def find(self, a: int, b: int, output: int) -> str | None:
        """Return how model `a`, with its one output, comes from an output of model `b`."""
        if len(self.doubles[a].outputs) != 1:
            return None
        target, source = self.doubles[a].outputs[0], self.doubles[b].outputs[output]
        if not _telling(target, len(self.inputs[0])) or not _telling(source, len(self.inputs[0])):
            return None
        several = len(self.doubles[b].outputs) > 1
        for tried in _relations(source, target, several=output if several else None):
            made = tried.apply(source)
            promising = made.shape == target.shape and _close(made, target)
            if promising and self._holds(tried, a, b, output):
                names = (self.sides[a].name, self.sides[b].name)
                free = self.sides[b].built.spec.select is None and not several
                return tried.sentence(*names, selectable=free)
        return None

    def _holds(self, tried: _Relation, a: int, b: int, output: int) -> bool:
        """Measure: does what is left of a difference lie within the noise of both?"""
        measured = self._measure()
        carry = tried.bound or tried.apply
        made, target = tried.apply(self.doubles[b].outputs[output]), self.doubles[a].outputs[0]
        noise = noise_floor(
            (target, made),
            (measured[a][0].outputs[0], tried.apply(measured[b][0].outputs[output])),
            (measured[a][1][0], np.abs(carry(measured[b][1][output])).astype(np.float64)),
            input_scale(self.inputs, target),
        )
        return bool((ratios(target, made, noise.float64) <= ROUNDING).all())

    def _measure(self) -> list[tuple[Outcome, tuple[Float, ...]]]:
        if self._measured is None:
            self._measured = [(self._run(n, "working"), self._sensitivity(n)) for n in range(2)]
        return self._measured

    def _run(self, n: int, precision: Precision) -> Outcome:
        return self.sides[n].run(self.values[n], self.inputs, precision, "eager")

    def _sensitivity(self, n: int) -> tuple[Float, ...]:
        return self.sides[n].sensitivity(
            self.values[n], self.inputs, self.doubles[n], self.seed, execution="eager"
        )


def _probes(domains: Sequence[Domain], seed: int) -> Inputs:
    drawn = draw_probes(domains, seed)
    return join([probe for probe in drawn if probe.name in PROBES] or drawn).inputs


def _telling(output: Array, samples: int) -> bool:
    """Tell whether an output says anything: numbers that differ from sample to sample."""
    if output.dtype.kind not in "fiu" or output.ndim < 2 or len(output) != samples:
        return False
    return bool(np.isfinite(output).all() and (output != output[:1]).any())


def _close(made: Array, target: Array) -> bool:
    scale = float(np.abs(target.astype(np.float64)).max())
    gap = np.abs(made.astype(np.float64) - target.astype(np.float64))
    return bool((gap <= PROMISING * max(scale, 1.0)).all())


# --- the usual relations ----------------------------------------------------------------------


def _relations(source: Array, target: Array, several: int | None) -> Iterator[_Relation]:
    """Yield what target may be of source, the plainest first; shapes are checked by the caller."""
    if several is not None:
        yield _Relation(f"{{a}} is output {several} of {{b}} (they count from 0)", lambda x: x)
    if source.shape == target.shape:
        yield from _of_one_shape(source, target)
        return
    if _without_ones(source.shape) == _without_ones(target.shape):
        change = "without" if target.ndim < source.ndim else "with"
        yield _Relation(f"{{a}} is {{b}} {change} an axis of length 1", _reshaped(target))
    if source.ndim >= 3:
        yield from _over_time(source, target)
        yield from _over_space(source)
    if source.size == target.size:
        flat = target.ndim == 2
        text = "{a} is {b} flattened" if flat else "{a} is {b} reshaped in row-major order"
        yield _Relation(text, _reshaped(target))
    yield from _permuted(source)


def _of_one_shape(source: Array, target: Array) -> Iterator[_Relation]:
    if source.ndim >= 3:
        text = "{a} is {b} with its time steps reversed"
        yield _Relation(text, lambda x: x[:, ::-1], "[:, ::-1]")
    yield from _permuted(source)
    factor = _factor(source, target)
    if factor is not None:
        yield _Relation(f"{{a}} is {factor:.9g} times {{b}}", _times(factor))


def _over_time(source: Array, target: Array) -> Iterator[_Relation]:
    steps, left = source.shape[1], target.shape[1]
    yield _Relation("{a} is the last step of {b}", lambda x: x[:, -1], "[:, -1]")
    yield _Relation("{a} is the first step of {b}", lambda x: x[:, 0], "[:, 0]")
    yield _Relation("{a} is the last step of {b}", lambda x: x[:, -1:], "[:, -1:]")
    yield _Relation("{a} is the first step of {b}", lambda x: x[:, :1], "[:, :1]")
    yield from _reduced("over time", (1,))
    if target.ndim == source.ndim and 1 < left < steps:
        yield _Relation(
            f"{{a}} is the last {left} steps of {{b}}", lambda x: x[:, -left:], f"[:, {-left}:]"
        )
        for start in range(steps - left):
            text = f"{{a}} is steps {start} to {start + left - 1} of {{b}}"
            yield _Relation(text, _window(start, left), f"[:, {start}:{start + left}]")
        for stride in range(2, steps // left + 2):
            yield _Relation(
                f"{{a}} is one step in {stride} of {{b}}", _strided(stride), f"[:, ::{stride}]"
            )


def _over_space(source: Array) -> Iterator[_Relation]:
    if source.ndim >= 4:
        yield from _reduced("over space", tuple(range(1, source.ndim - 1)))
        yield from _reduced("over space", tuple(range(2, source.ndim)))


def _reduced(over: str, axes: tuple[int, ...]) -> Iterator[_Relation]:
    for keep in (False, True):
        for word, reduce in (("mean", np.mean), ("sum", np.sum), ("maximum", np.max)):
            yield _Relation(f"{{a}} is the {word} {over} of {{b}}", _over(reduce, axes, keep))
        least = _over(np.min, axes, keep)
        bound = _over(np.max, axes, keep)
        yield _Relation(f"{{a}} is the minimum {over} of {{b}}", least, bound=bound)


def _permuted(source: Array) -> Iterator[_Relation]:
    axes = tuple(range(1, source.ndim))
    if not 2 <= len(axes) <= MOST_AXES:
        return
    for order in permutations(axes):
        if order != axes:
            dims = ", ".join(map(str, order))
            text = f"{{a}} is {{b}} with its axes permuted: `Permute(({dims}))`"
            yield _Relation(text, _transposed((0, *order)))


def _factor(source: Array, target: Array) -> float | None:
    """Return the constant that takes source nearest to target; None where it says nothing."""
    ours, theirs = source.astype(np.float64), target.astype(np.float64)
    size = float((ours * ours).sum())
    factor = float((ours * theirs).sum()) / size if size else 0.0
    return factor if factor and np.isfinite(factor) and factor != 1 else None


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [shape[0], *(n for n in shape[1:] if n != 1)]


def _reshaped(target: Array) -> Map:
    return lambda x: x.reshape(len(x), *target.shape[1:])


def _window(start: int, length: int) -> Map:
    return lambda x: x[:, start : start + length]


def _strided(stride: int) -> Map:
    return lambda x: x[:, ::stride]


def _over(reduce: Callable[..., Array], axes: tuple[int, ...], keep: bool) -> Map:
    return lambda x: reduce(x, axis=axes, keepdims=keep)


def _transposed(order: tuple[int, ...]) -> Map:
    return lambda x: np.transpose(x, order)


def _times(factor: float) -> Map:
    return lambda x: np.asarray(x.astype(np.float64) * factor)
