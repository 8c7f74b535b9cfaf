"""Find a simple relation between the outputs of two models, such as one reversing the other's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.input_domains import (
    BASE_LENGTHS,
    COMBINATIONS,
    config_constants,
    fixed_domains,
    has_variable_axis,
)
from layerlens.models.execute.lengths import goes_by_steps
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.weight_sets import WeightSet, moderate_sets, weight_sets
from layerlens.numerics.arrays import Array, Inputs
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import ROUNDING, ratios, rounding_floor
from layerlens.numerics.noise_floor import input_scale, noise_floor
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import draw_probes, join
from layerlens.numerics.weight_transfer import Transfer
from layerlens.numerics.weight_values import OVERFLOWING
from layerlens.vocabulary import Execution

Float = NDArray[np.float64]
Map = Callable[[Array], Array]

#: The greatest float64 difference, relative to the scale of the output, that is worth measuring.
PROMISING = 1e-9
PROBES = ("normal", "uniform", "negative", "saturating", "ties", "padded_end", "padded_front")
#: A factor nearer to 1 is not reported.
LEAST_FACTOR = 1e-9
#: The least numbers of samples and of probes on which the models have to differ while the relation
#: holds: reversing or transposing a symmetric output changes nothing and would prove nothing.
LEAST_SAMPLES, LEAST_PROBES = 3, 2
#: Recurrent layers over more steps are called eagerly some twenty times for longer than it takes to
#: trace them.
MOST_EAGER_STEPS = 6
#: The most axes, without the batch, of which permutations are tried.
MOST_AXES = 4


def relation(
    reference: Side,
    candidate: Side,
    transfer: Transfer,
    seed: int,
    seen: Sequence[Observation] = (),
) -> str | None:
    """Return a sentence on how the outputs of two models relate, or None if no relation holds.

    For outputs of different shapes, one may be a step, a window, the mean, sum, maximum or minimum
    over time or space, the flattening or a permutation of axes of the other, or one of its
    outputs. For outputs of the same shape: the reversal of time, a permutation of axes, or a
    constant factor.

    The relation holds in float64 up to measured rounding on every element of the observations
    `seen`, or without any, of all probes, weights and lengths. None in training, and for models
    whose weights cannot be carried over.
    """
    if not transfer.complete or reference.training:
        return None
    comparison = _Comparison.of(reference, candidate, transfer, seed, seen)
    if comparison is None:
        return None
    for a, b in ((1, 0), (0, 1)):
        for output in range(len(comparison.base.doubles[b].outputs)):
            found = comparison.find(a, b, output)
            if found is not None:
                return found
    return None


@dataclass(frozen=True, slots=True)
class _Relation:
    """A relation: the outputs of {a} are `apply` of those of {b}; `text` has both names."""

    text: str
    apply: Map
    #: The key `select` of a scenario that has the same effect, if there is one.
    select: str | None = None
    #: How sensitivities transform, if not like values.
    bound: Map | None = None

    def sentence(self, a: str, b: str, selectable: bool) -> str:
        text = self.text.format(a=f"`{a}`", b=f"`{b}`")
        if self.select and selectable:
            return f'{text}: `select: "{self.select}"` on `{b}` would make them equal'
        return text

    def fits(self, source: Array, target: Array) -> bool:
        """Return whether `apply` turns this source into an array of the target's shape."""
        try:
            return self.apply(source).shape == target.shape
        except (IndexError, ValueError):  # too few steps, or an impossible reshape
            return False


@dataclass
class _Trial:
    """Both models on the same inputs with the same weights."""

    sides: tuple[Side, Side]
    values: tuple[Values, Values]
    inputs: Inputs
    doubles: tuple[Outcome, Outcome]
    seed: int
    execution: Execution
    _measured: list[tuple[Outcome, tuple[Float, ...]]] = field(default_factory=list)

    @classmethod
    def of(
        cls, sides: tuple[Side, Side], weights: WeightSet, inputs: Inputs, seed: int
    ) -> _Trial | None:
        """Run both; None where either refuses these inputs."""
        values = (weights.reference, weights.candidate)
        execution = _execution(sides, inputs)
        doubles = tuple(
            side.run(value, inputs, "float64", execution)
            for side, value in zip(sides, values, strict=True)
        )
        if any(outcome.error is not None for outcome in doubles):
            return None
        return cls(sides, values, inputs, (doubles[0], doubles[1]), seed, execution)

    def holds(self, tried: _Relation, a: int, b: int, output: int) -> bool:
        """Return whether the relation holds up to the measured noise of both models."""
        source, target = self.doubles[b].outputs[output], self.doubles[a].outputs[0]
        if not tried.fits(source, target):
            return False
        made, measured = tried.apply(source), self._measure()
        carry = tried.bound or tried.apply
        with np.errstate(over="ignore", invalid="ignore"):
            noise = noise_floor(
                (target, made),
                (measured[a][0].outputs[0], tried.apply(measured[b][0].outputs[output])),
                (measured[a][1][0], np.abs(carry(measured[b][1][output])).astype(np.float64)),
                input_scale(self.inputs, target),
            )
        return bool((ratios(target, made, noise.float64) <= ROUNDING).all())

    def _measure(self) -> list[tuple[Outcome, tuple[Float, ...]]]:
        if not self._measured:
            self._measured = [
                (
                    side.run(values, self.inputs, "working", self.execution),
                    side.sensitivity(
                        values, self.inputs, double, self.seed, execution=self.execution
                    ),
                )
                for side, values, double in zip(self.sides, self.values, self.doubles, strict=True)
            ]
        return self._measured


@dataclass
class _Comparison:
    """The outputs in which a relation is searched, and those on which it is verified."""

    sides: tuple[Side, Side]
    sets: Sequence[WeightSet]
    base: _Trial
    seed: int
    seen: Sequence[Observation]
    _further: list[_Trial] | None = None

    @classmethod
    def of(
        cls,
        reference: Side,
        candidate: Side,
        transfer: Transfer,
        seed: int,
        seen: Sequence[Observation],
    ) -> _Comparison | None:
        sides = (reference, candidate)
        built = (reference.built, candidate.built)
        if [spec.shape for spec in built[0].inputs] != [spec.shape for spec in built[1].inputs]:
            return None
        sets = weight_sets(reference, candidate, transfer, seed)
        chosen = sets[1] if len(sets) > 1 else sets[0]
        lengths = BASE_LENGTHS if has_variable_axis(built[0]) else BASE_LENGTHS[:1]
        for length in lengths:
            drawn = draw_probes(fixed_domains(built, length), seed)
            few = [probe for probe in drawn if probe.name in PROBES] or drawn
            base = _Trial.of(sides, chosen, join(few).inputs, seed)
            if base is not None:
                return cls(sides, sets, base, seed, seen)
        return None

    def find(self, a: int, b: int, output: int) -> str | None:
        """Return how the only output of model `a` relates to an output of model `b`."""
        doubles, samples = self.base.doubles, len(self.base.inputs[0])
        if len(doubles[a].outputs) != 1:
            return None
        target, source = doubles[a].outputs[0], doubles[b].outputs[output]
        if not _is_informative(target, samples) or not _is_informative(source, samples):
            return None
        several = len(doubles[b].outputs) > 1
        for tried in _relations(source, target, several=output if several else None):
            promising = tried.fits(source, target) and _close(tried.apply(source), target)
            if promising and self._holds(tried, a, b, output):
                spec = self.sides[b].built.spec
                writable = spec.form != "object" and spec.select is None
                names = (self.sides[a].name, self.sides[b].name)
                return tried.sentence(*names, selectable=writable and not several)
        return None

    def _holds(self, tried: _Relation, a: int, b: int, output: int) -> bool:
        if not self.base.holds(tried, a, b, output):
            return False
        if not self.seen:
            return all(trial.holds(tried, a, b, output) for trial in self.further())
        observed = [_Observed.of(one, a, b, output) for one in self.seen]
        observed = [one for one in observed if one is not None]
        if not all(one.holds(tried) for one in observed if one is not None):
            return False
        probes = [probe for one in observed if one is not None for probe in one.differing()]
        return len(probes) >= LEAST_SAMPLES and len(set(probes)) >= LEAST_PROBES

    def further(self) -> list[_Trial]:
        """Return trials on all probes, with other weights and at other lengths."""
        if self._further is None:
            built = (self.sides[0].built, self.sides[1].built)
            constants = config_constants(built)
            length = _length(self.base.inputs, built[0].inputs)
            drawn = draw_probes(fixed_domains(built, length), self.seed, constants=constants)
            tried = [(weights, join(drawn).inputs) for weights in moderate_sets(self.sets)]
            for _, other in COMBINATIONS if has_variable_axis(built[0]) else ():
                more = draw_probes(fixed_domains(built, other), self.seed + other)
                tried.append((tried[0][0], join(more).inputs))
            trials = [_Trial.of(self.sides, *one, self.seed) for one in tried]
            self._further = [trial for trial in trials if trial is not None]
        return self._further


@dataclass(frozen=True)
class _Observed:
    """One observation of a pair, with the source and the target of a relation."""

    observation: Observation
    target: Array
    source: Array
    floor: Float

    @classmethod
    def of(cls, seen: Observation, a: int, b: int, output: int) -> _Observed | None:
        """Return None for weights with which outputs overflow: those are partly zeros instead."""
        if seen.weights in OVERFLOWING:
            return None
        both = (seen.reference64, seen.candidate64)
        floor = np.broadcast_to(rounding_floor(seen.noise[0]), both[a][0].shape)
        return cls(seen, both[a][0], both[b][output], floor)

    def holds(self, tried: _Relation) -> bool:
        if not tried.fits(self.source, self.target):
            return False
        floor = self.floor + np.abs(tried.apply(self.floor))
        made = tried.apply(self.source)
        return bool((ratios(self.target, made, floor) <= ROUNDING).all())

    def differing(self) -> Iterator[str]:
        """Yield, for each sample on which the models differ, the name of its probe."""
        if self.source.shape != self.target.shape:
            return
        differs = distance(self.source, self.target) > ROUNDING * self.floor
        batch = self.observation.batch
        if not differs.ndim or len(differs) != len(batch.inputs[0]):
            yield from batch.names if differs.any() else ()
            return
        for sample in np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1)):
            yield batch.name_of(int(sample))


def _execution(sides: Sequence[Side], inputs: Inputs) -> Execution:
    """Return the quickest way of calling both: eager calls of recurrent layers cost by the step."""
    steps = max((array.shape[1] for array in inputs if array.ndim > 1), default=0)
    by_steps = any(goes_by_steps(layer) for side in sides for layer in side.working.layers)
    return "traced_dynamic" if by_steps and steps > MOST_EAGER_STEPS else "eager"


def _length(inputs: Inputs, specs: Sequence[object]) -> int:
    """Return the length of the first variable axis in these inputs."""
    for array, spec in zip(inputs, specs, strict=True):
        shape = getattr(spec, "shape", ())
        for size, declared in zip(array.shape[1:], shape, strict=True):
            if declared is None:
                return int(size)
    return BASE_LENGTHS[0]


def _is_informative(output: Array, samples: int) -> bool:
    """Return whether an output has finite numbers that differ from sample to sample."""
    if output.dtype.kind not in "fiu" or output.ndim < 2 or len(output) != samples:
        return False
    return bool(np.isfinite(output).all() and (output != output[:1]).any())


def _close(made: Array, target: Array) -> bool:
    scale = float(np.abs(target.astype(np.float64)).max())
    gap = np.abs(made.astype(np.float64) - target.astype(np.float64))
    return bool((gap <= PROMISING * max(scale, 1.0)).all())


# --- relations --------------------------------------------------------------------------------


def _relations(source: Array, target: Array, several: int | None) -> Iterator[_Relation]:
    """Yield possible relations, the simplest first; the caller checks their shapes."""
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
        what = "its time steps" if source.ndim == 3 else "axis 1"
        text = f"{{a}} is {{b}} with {what} reversed"
        yield _Relation(text, lambda x: x[:, ::-1], "[:, ::-1]")
    yield from _permuted(source)
    factor = _factor(source, target)
    if factor is not None:
        rounded = float(f"{factor:.9g}")
        if abs(rounded - 1.0) > LEAST_FACTOR:
            yield _Relation(f"{{a}} is {rounded:.9g} times {{b}}", _times(rounded))
            yield _Relation(f"{{a}} is about {factor:.6g} times {{b}}", _times(factor))


def _over_time(source: Array, target: Array) -> Iterator[_Relation]:
    steps, left = source.shape[1], target.shape[1]
    step = "step" if source.ndim == 3 else "entry along axis 1"
    yield _Relation(f"{{a}} is the last {step} of {{b}}", lambda x: x[:, -1], "[:, -1]")
    yield _Relation(f"{{a}} is the first {step} of {{b}}", lambda x: x[:, 0], "[:, 0]")
    yield _Relation(f"{{a}} is the last {step} of {{b}}", lambda x: x[:, -1:], "[:, -1:]")
    yield _Relation(f"{{a}} is the first {step} of {{b}}", lambda x: x[:, :1], "[:, :1]")
    yield from _reduced("over time" if source.ndim == 3 else "over axis 1", (1,))
    if target.ndim == source.ndim and 1 < left < steps:
        several = "steps" if source.ndim == 3 else "entries along axis 1"
        yield _Relation(
            f"{{a}} is the last {left} {several} of {{b}}", lambda x: x[:, -left:], f"[:, {-left}:]"
        )
        for start in range(steps - left):
            text = f"{{a}} is {several} {start} to {start + left - 1} of {{b}}"
            yield _Relation(text, _window(start, left), f"[:, {start}:{start + left}]")
        for stride in range(2, steps // left + 2):
            text = f"{{a}} is one {step} in {stride} of {{b}}"
            yield _Relation(text, _strided(stride), f"[:, ::{stride}]")


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
            text = f"{{a}} is {{b}} with its axes permuted: `Permute: {{{{dims: {[*order]}}}}}`"
            yield _Relation(text, _transposed((0, *order)))


def _factor(source: Array, target: Array) -> float | None:
    """Return the least-squares factor from source to target; None if it is 0, 1 or not finite."""
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
    def apply(array: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(array.astype(np.float64) * factor)

    return apply
