"""One model of a comparison, in working precision and in float64."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layerlens.models.build.constants import NumberChange
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.range_events import watching_ranges
from layerlens.models.execute.runner import Runner
from layerlens.models.execute.variables import LARGE, memory_of
from layerlens.models.inspect.nested_layers import flat_layers, layers_told_to_train
from layerlens.models.variants import ModelVariants
from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import distance
from layerlens.numerics.noise_floor import ROUNDOFF32, ROUNDOFFS
from layerlens.numerics.probes import generator
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import ModelError
from layerlens.scenario.slices import parse_select
from layerlens.vocabulary import Execution

Precision = Literal["working", "float64"]
Values = tuple[Array, ...]

#: Relative size of the random perturbation that measures sensitivities: far above the unit of
#: float64, so that rounding does not show, and too small to change the behaviour of a layer.
JITTER = 2.0**-40
#: The same for a model that exists in working precision only.
COARSE_JITTER = 2.0**-14
#: Relative change of results inside a float64 model: a few units of float64. Where a layer makes
#: tiny numbers large, its output range bounds the effect, so a larger change shows less.
INNER_JITTER = 2.0**-50
#: The number of runs with random changes inside a model: two pairs of opposite changes.
ROUNDING_DRAWS = 4
#: Up to so many params, models are run with changed weights at the same time.
MOST_AT_ONCE = 8_000_000
#: The number of values of one weight after which the random signs repeat. A prime, so that rows of
#: a matrix do not get the same signs.
JITTER_PERIOD = 1_048_573


@dataclass
class Side:
    """One model of a pair, run in working precision and in float64 on the same values."""

    name: str
    working: Runner
    float64: Runner
    training: bool = False
    #: The model in float64 for a pair that is compared in working precision because the other model
    #: has no float64 form; it measures how much this one rounds.
    finer: Runner | None = None
    #: Builds the model in float64 with other numbers in its configuration; None if it cannot.
    variants: ModelVariants | None = None
    #: The other model of the pair, whose memory is used for the weights that both have.
    other: Side | None = field(default=None, repr=False, compare=False)
    _with_numbers: dict[Hashable, KerasRunner | None] = field(default_factory=dict)
    _held: dict[int, Values] = field(default_factory=dict)

    @classmethod
    def of(
        cls, name: str, working: Built, float64: Built | None = None, *, training: bool, seed: int
    ) -> Side:
        """Return a side that runs in working precision, and in float64 if that form is given."""
        own = KerasRunner(working, seed)
        twin = own if float64 is None or float64 is working else KerasRunner(float64, seed)
        return cls(name, own, twin, training)

    def add_float64(self, built: Built) -> None:
        """Run this float64 form where float64 is asked for."""
        self.float64 = KerasRunner(built, self.working.seed, self.working.batch_size)
        self.forget()

    def bind(self, batch_size: int) -> None:
        """Call the model with batches of one size, because the other model needs that size.

        In training, samples share statistics and random masks, so both models need equal batches.
        """
        for runner in (self.working, self.float64, self.finer):
            if runner is not None:
                runner.batch_size = batch_size

    def leave_float64(self) -> None:
        """Use working precision instead of float64, in which one model of the pair cannot run."""
        if self.is_exact:
            self.finer = self.float64
        self.float64 = self.working
        self.forget()

    def with_changed_numbers(self, name: Hashable, change: NumberChange) -> KerasRunner | None:
        """Return the float64 model with other numbers in its configuration, built once per `name`.

        None if there are no numbers to change, or the model cannot be built anew.
        """
        if name not in self._with_numbers:
            built = self.variants.with_numbers(self.built, change) if self.variants else None
            runner = None if built is None else KerasRunner(built, self.float64.seed)
            if runner is not None:
                runner.batch_size = self.float64.batch_size
            self._with_numbers[name] = runner
        return self._with_numbers[name]

    def run_with_numbers(
        self,
        name: Hashable,
        change: NumberChange,
        values: Values,
        inputs: Sequence[Array],
        base: Sequence[Array],
    ) -> tuple[Array, ...] | None:
        """Run the float64 model with other numbers; None if it cannot be built or fails.

        `base` are the outputs with its own numbers; None is returned if their shapes change.
        """
        runner = self.with_changed_numbers(name, change)
        if runner is None:
            return None
        runner.assign(values)
        outcome = self.selected(runner.run(inputs, "traced_dynamic", training=self.training))
        if outcome.error is not None or outcome.shapes != tuple(a.shape for a in base):
            return None
        return outcome.outputs

    @property
    def built(self) -> Built:
        return self.working.built

    @property
    def is_exact(self) -> bool:
        """Whether `float64` is a float64 form of the model, not the model in working precision."""
        return self.float64.built.precision == "float64"

    def run(
        self,
        values: Values,
        inputs: Sequence[Array],
        precision: Precision,
        execution: Execution,
        *,
        seed: int | None = None,
    ) -> Outcome:
        """Run with these weights, and return the outputs after `select`."""
        return self.start(values, inputs, precision, execution, seed=seed)()

    def start(
        self,
        values: Values,
        inputs: Sequence[Array],
        precision: Precision,
        execution: Execution,
        *,
        seed: int | None = None,
    ) -> Callable[[], Outcome]:
        """Start a run, and return a function that waits for its outcome."""
        whole = self._start_whole(values, inputs, precision, execution, seed)
        return lambda: self.selected(whole())

    def run_whole(
        self,
        values: Values,
        inputs: Sequence[Array],
        precision: Precision,
        execution: Execution,
        *,
        seed: int | None = None,
    ) -> Outcome:
        return self._start_whole(values, inputs, precision, execution, seed)()

    def _start_whole(
        self,
        values: Values,
        inputs: Sequence[Array],
        precision: Precision,
        execution: Execution,
        seed: int | None,
    ) -> Callable[[], Outcome]:
        runner = self.runner(precision)
        self.hold(values, precision)
        if self._changes_weights:
            # The next run assigns the weights again.
            self._held.pop(id(runner), None)
        return runner.start(inputs, execution, training=self.training, seed=seed)

    @cached_property
    def _changes_weights(self) -> bool:
        """Whether a run may change weights.

        Training changes statistics, and layers that Keras does not define may change anything.
        """
        model = self.built.model
        return self.training or has_foreign_layers(self.built) or any(layers_told_to_train(model))

    def run_finer(
        self, values: Values, inputs: Sequence[Array], base: Outcome, *, seed: int | None = None
    ) -> Outcome:
        """Return the float64 outputs of a model that is compared in working precision.

        Returns `base` if the model has no float64 form, or if that fails.
        """
        if self.finer is None:
            return base
        self.finer.assign(values)
        outcome = self.finer.run(inputs, "traced_dynamic", training=self.training, seed=seed)
        outcome = self.selected(outcome)
        return base if outcome.error is not None or outcome.shapes != base.shapes else outcome

    def runner(self, precision: Precision) -> Runner:
        return self.working if precision == "working" else self.float64

    def hold(self, values: Values, precision: Precision) -> None:
        """Set the weights of a runner; those that it has already are not assigned again."""
        runner = self.runner(precision)
        before = self._held.get(id(runner))
        if before is values:
            return
        if runner.keras is None:
            runner.assign(values)
        else:
            runner.keras.assign_changed(before, values, self._held_by_other(precision))
        self._held[id(runner)] = values

    def _held_by_other(self, precision: Precision) -> dict[Hashable, Any]:
        """Return the large weights that the other model holds, by the memory of their values."""
        other = self.other
        if other is None or other._changes_weights:
            return {}
        runner = other.runner(precision).keras
        values = other._held.get(id(runner))
        if runner is None or values is None:
            return {}
        pairs = zip(values, runner.variables, strict=True)
        return {memory_of(value): variable for value, variable in pairs if value.size > LARGE}

    def forget(self) -> None:
        """Forget which weights the runners have, after other code has assigned them."""
        self._held.clear()

    def selected(self, outcome: Outcome) -> Outcome:
        if outcome.error is not None or self.built.spec.select is None:
            return outcome
        part = parse_select(self.built.spec.select)
        try:
            selected = tuple(np.asarray(array[part]) for array in outcome.outputs)
        except IndexError as error:  # Keras announces more than the model computes
            shapes = " and ".join(map(shape_text, outcome.shapes))
            message = f"`select` does not fit the output {shapes}: {error}"
            return Outcome(error=ModelError(None, message, "change `select`"))
        return Outcome(selected, outcome.dtypes)

    def sensitivity(
        self,
        values: Values,
        inputs: Sequence[Array],
        base: Outcome,
        seed: int,
        draws: int = 2,
        execution: Execution = "traced_dynamic",
    ) -> tuple[NDArray[np.float64], ...]:
        """Return the change of each float64 output per relative change of inputs and weights.

        `base` is the outcome without a change, in the same `execution`.
        """
        return sensitivities((self,), (values,), inputs, (base,), seed, draws, execution)[0]

    def inner_rounding(
        self,
        values: Values,
        inputs: Sequence[Array],
        base: Sequence[Array],
        *,
        everywhere: bool = False,
    ) -> tuple[NDArray[np.float64], ...] | None:
        """Return the change of the outputs per relative change of every result inside the model.

        With `everywhere`, inputs and weights change too. None if it cannot be measured.
        """
        size = INNER_JITTER if self.is_exact else self._jitter
        if everywhere:
            rng = generator(self.float64.seed, "everywhere", self.name)
            values = tuple(_jittered(value, rng, size) for value in values)
            inputs = [_jittered_off_thresholds(array, rng, size) for array in inputs]
        self.hold(values, "float64")
        drawn = self.float64.run_rounding_at_random(
            inputs, size, draws=ROUNDING_DRAWS, training=self.training
        )
        self.forget()
        moved = [np.zeros(output.shape) for output in base]
        for outcome in map(self.selected, drawn):
            if outcome.shapes != tuple(output.shape for output in base):
                return None
            for position, (one, other) in enumerate(zip(base, outcome.outputs, strict=True)):
                gap = distance(one, other) / size if one.dtype.kind == "f" else np.zeros(one.shape)
                change = np.where(np.isfinite(gap), gap, 0.0)
                moved[position] = np.maximum(moved[position], change)
        return tuple(moved) if drawn else None

    def _start_jittered(
        self, values: Values, inputs: Sequence[Array], seed: int, draw: int, execution: Execution
    ) -> Callable[[], Outcome]:
        rng = generator(seed, "jitter", draw, self.name)
        self._held.pop(id(self.float64), None)
        if self.float64.keras is None:
            self.float64.assign(tuple(_jittered(value, rng, self._jitter) for value in values))
        else:
            changed = (_jittered_blocks(value, rng, self._jitter) for value in values)
            self.float64.keras.assign_blocks(changed)
        whole = self.float64.start(
            [_jittered_off_thresholds(array, rng, self._jitter) for array in inputs],
            execution,
            training=self.training,
            seed=seed,
        )
        return lambda: self.selected(whole())

    def _changes(self, base: Outcome, jittered: Outcome) -> Iterator[NDArray[np.float64]]:
        """Yield the change of each output per relative change; 0 if it cannot be measured."""
        same = jittered.error is None and jittered.shapes == base.shapes
        for position, output in enumerate(base.outputs):
            if not same or output.dtype.kind != "f":
                yield np.zeros(output.shape)
                continue
            with np.errstate(invalid="ignore", over="ignore"):
                moved = jittered.outputs[position].astype(np.float64) - output.astype(np.float64)
                change = np.abs(moved) / self._jitter
            yield np.where(np.isfinite(change), change, 0.0)

    @property
    def _jitter(self) -> float:
        return JITTER if self.is_exact else COARSE_JITTER * min(2.0**8, self.unit / ROUNDOFF32)

    @property
    def unit(self) -> float:
        """The unit roundoff of the coarsest dtype that a layer computes in."""
        return ROUNDOFFS[self.coarsest_dtype]

    @property
    def coarsest_dtype(self) -> str:
        """The dtype with the fewest digits in which a layer computes; at most float32."""
        layers = flat_layers(self.built.model)
        dtypes = {str(getattr(layer, "compute_dtype", "float32")) for layer in layers}
        return max(
            (d for d in dtypes if d in ROUNDOFFS), key=ROUNDOFFS.__getitem__, default="float32"
        )

    def leaves_range(self, values: Values, inputs: Sequence[Array]) -> bool:
        """Return whether a value inside overflows or underflows in half precision on this input."""
        self.hold(values, "working")
        try:
            with watching_ranges() as events:
                self.working.run(inputs, "eager", training=self.training)
        finally:
            self.forget()
        return events.any


def sensitivities(
    sides: Sequence[Side],
    values: Sequence[Values],
    inputs: Sequence[Array],
    bases: Sequence[Outcome],
    seed: int,
    draws: int = 2,
    execution: Execution = "traced_dynamic",
) -> tuple[tuple[NDArray[np.float64], ...], ...]:
    """Return `Side.sensitivity` of several models on the same inputs, run at the same time.

    Models of many params are run one after another: each shares its weights with the others again
    before those are changed.
    """
    moved = [tuple(np.zeros(output.shape) for output in base.outputs) for base in bases]
    one_by_one = any(sum(value.size for value in own) > MOST_AT_ONCE for own in values)
    for draw in range(draws):
        started: list[Callable[[], Outcome]] = []
        for side, own in zip(sides, values, strict=True):
            run = side._start_jittered(own, inputs, seed, draw, execution)
            started.append(_ended(run) if one_by_one else run)
            if one_by_one:
                side.hold(own, "float64")
        for position, (side, base, run) in enumerate(zip(sides, bases, started, strict=True)):
            changes = side._changes(base, run())
            moved[position] = tuple(map(np.maximum, moved[position], changes))
    return tuple(moved)


def _ended(run: Callable[[], Outcome]) -> Callable[[], Outcome]:
    """Return a started run once it has ended."""
    outcome = run()
    return lambda: outcome


def _jittered(array: Array, rng: np.random.Generator, jitter: float) -> Array:
    if array.dtype.kind != "f":
        return array
    return np.concatenate(list(_jittered_blocks(array, rng, jitter))).reshape(array.shape)


def _jittered_blocks(array: Array, rng: np.random.Generator, jitter: float) -> Iterator[Array]:
    """Yield the values of a jittered array in row-major order, some at a time."""
    flat = np.ravel(array)
    if array.dtype.kind != "f":
        yield flat
        return
    # One random bit per value: drawing random numbers would dominate the time for large weights.
    count = min(array.size, JITTER_PERIOD)
    bits = np.frombuffer(rng.bytes(-(-count // 8)), dtype=np.uint8)
    factors = np.array([1.0 - jitter, 1.0 + jitter])[np.unpackbits(bits, count=count)]
    for start in range(0, max(1, array.size), JITTER_PERIOD):
        part = flat[start : start + JITTER_PERIOD]
        yield np.multiply(part, factors[: len(part)], dtype=np.float64)


def _jittered_off_thresholds(array: Array, rng: np.random.Generator, jitter: float) -> Array:
    """Jitter inputs, except values with few digits, at which the output of a layer may jump.

    A mask value, a threshold, the edge of a bin: next to it is a different input, not a rounded
    one. Such values are halves and constants of configurations, which have few digits.
    """
    if array.dtype.kind != "f":
        return array
    return np.where(_in_few_digits(array), array, _jittered(array, rng, jitter))


def _in_few_digits(array: Array) -> NDArray[np.bool_]:
    """Return which values are the float32 of a decimal number with six digits."""
    size = np.abs(array.astype(np.float64))
    scale = 10.0 ** (5.0 - np.floor(np.log10(np.where(size > 0, size, 1.0))))
    few = np.rint(size * scale) / scale
    return np.asarray(few.astype(np.float32) == size.astype(np.float32))
