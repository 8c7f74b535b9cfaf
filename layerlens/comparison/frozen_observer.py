"""Run a model on the inputs of a frozen one, and put both beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from layerlens.comparison.foreign_answers import without_float64
from layerlens.comparison.observer import Interrupted
from layerlens.comparison.pair import Pair
from layerlens.comparison.randomness import changed
from layerlens.models.build.request import Built, Frozen, Recorded
from layerlens.models.execute.input_domains import (
    has_foreign_layers,
)
from layerlens.models.execute.longest_sum import longest_sum
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import given_weights, pair_model_weights
from layerlens.numerics.arrays import Array, Float
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import (
    WORKING_ROUNDING,
    is_apart,
    is_hidden_by_scale,
)
from layerlens.numerics.noise_floor import (
    ROUNDOFF32,
    ROUNDOFF64,
    ROUNDOFFS,
    NoiseFloor,
    coarse_margin,
    floor_without_float64,
    input_scale,
    noise_floor,
    with_inner_rounding,
    with_relative_ground,
    with_sums_in_order,
)
from layerlens.numerics.observation import CallRefusal, Observation, ShapeSurprise
from layerlens.numerics.probes import MINUTE_PROBE
from layerlens.numerics.recording import SAVED, Answers, RecordedRun
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain import stage
from layerlens.vocabulary import Execution

T = TypeVar("T")


@dataclass
class FrozenObserver:
    """Runs a model on the inputs and weights on which a frozen one answered, beside its outputs."""

    pair: Pair
    frozen: Frozen
    answers: Answers
    live: Built
    observations: list[Observation] = field(default_factory=list)
    #: Whether an observation shows a real difference, beside which small ones tell nothing.
    _is_apart: bool = False

    def __post_init__(self) -> None:
        self.side = Side.of(self.live.spec.name, self.live, training=False, seed=self.pair.seed)
        self.side.variants = self.pair.variants
        twin = self.pair.variants.in_float64(self.live)
        if isinstance(twin, Built) and twin.precision == "float64":
            self.side.add_float64(twin)
        if self.is_recorded and not self.answers.exact:
            self.side.leave_float64()
        self.own = tuple(self.side.working.values())

    @property
    def is_recorded(self) -> bool:
        """Whether the frozen model's own rounding counts, not only that of the live one."""
        return isinstance(self.frozen, Recorded)

    @property
    def is_exact(self) -> bool:
        return self.answers.exact and self.side.is_exact

    @property
    def is_single(self) -> bool:
        """Whether float32 results of a runtime are compared with float64 ones of the live model."""
        return not self.is_recorded and not self.answers.exact and self.side.is_exact

    # --- weights ----------------------------------------------------------------------------------

    @cached_property
    def transfer(self) -> Transfer:
        """How the recorded weights are carried over to the model that runs."""
        assert isinstance(self.frozen, Recorded)  # no weights are carried over to an exported file
        return pair_model_weights(self.frozen, self.live, self.pair.scenario.transfer)

    @cached_property
    def weights(self) -> Mapping[str, Values]:
        """Kind → the recorded weights, carried over to the model that runs, or its own."""
        if not self.is_recorded:
            return self.answers.weights
        transfer = self.transfer
        if not transfer.candidate or transfer.method == "none":
            return {SAVED: self.own}
        pinned = given_weights(self.live)
        return {
            kind: tuple(
                mine if position in pinned else value
                for position, (mine, value) in enumerate(
                    zip(self.own, transfer.carry(values, self.own), strict=True)
                )
            )
            for kind, values in self.answers.weights.items()
        }

    # --- observations -----------------------------------------------------------------------------

    def observe_all(self) -> None:
        """Run the model on everything that the frozen one answered.

        Raises:
            Interrupted: the model refused such an input, or gave another shape.
        """
        self.observations.clear()
        was_exact = self.side.is_exact
        for run in self.answers.runs:
            if run.weights not in self.weights:
                continue  # each model keeps its own weights
            stage.enter(
                f"running `{self.side.name}` on the probes; it ran on "
                f"{len(self.observations)} batches so far"
            )
            found = self._observe(run)
            is_minute = self.answers.batches[run.batch].names == (MINUTE_PROBE,)
            is_hidden = not self._is_apart and any(map(is_hidden_by_scale, found))
            if self.is_exact and (is_minute or is_hidden):
                found = self._with_relative_noise(run, found, beside_inputs=is_minute)
            self._is_apart = self._is_apart or any(map(is_apart, found))
            self.observations += found
            if was_exact and not self.side.is_exact:  # everything is compared in one precision
                self.observe_all()
                return
        if not self.is_recorded and self.is_exact and self._strays():
            self.answers = without_float64(self.answers)
            self.observe_all()

    def _strays(self) -> bool:
        """Return whether the widened file computes something else than the file itself."""
        for seen in self.observations:
            double, working = seen.candidate64, seen.candidate
            if self.pair.reference is self.frozen:
                double, working = seen.reference64, seen.reference
            for k, noise in enumerate(seen.noise):
                gap = distance(double[k], working[k])
                comparable = np.isfinite(double[k]) & np.isfinite(working[k])
                if bool((comparable & (gap > WORKING_ROUNDING * noise.working)).any()):
                    return True
        return False

    def _observe(self, run: RecordedRun) -> list[Observation]:
        batch = self.answers.batches[run.batch]
        values, inputs = self.weights[run.weights], batch.inputs
        double = self.side.run(values, inputs, "float64", "traced_dynamic")
        working = {
            execution: self.side.run(values, inputs, "working", execution)
            for execution in run.outputs
        }
        self._stop_on_refusal(working, inputs)
        if double.error is not None:
            self.side.leave_float64()  # Keras lacks a float64 form of some operation
            double = self.side.run(values, inputs, "float64", "traced_dynamic")
        for execution, outcome in (*working.items(), ("traced_dynamic", double)):
            self._stop_on_shapes(run, execution, outcome, inputs)
        noise = self._noise(run, values, inputs, double, working)
        found = []
        for execution, outcome in working.items():
            recorded = run.outputs[execution]
            recorded64 = run.float64 if self.is_exact else run.outputs["traced_dynamic"]
            if self.is_single:
                recorded64 = tuple(map(_as_double, recorded64))
            one, other = self.ordered(recorded, outcome.outputs)
            one64, other64 = self.ordered(recorded64, double.outputs)
            found.append(
                Observation(
                    run.weights, execution, batch, one, other, one64, other64, noise, self.is_exact
                )
            )
        return found

    def _with_relative_noise(
        self, run: RecordedRun, found: Sequence[Observation], *, beside_inputs: bool
    ) -> list[Observation]:
        """Return observations of tiny numbers with noise floors relative to their size."""
        seen = found[0]
        base, _ = self.of_live(seen)
        moved = self.side.inner_rounding(self.weights[seen.weights], seen.batch.inputs, base)
        if moved is None:
            return list(found)
        noise = []
        for k, floor in enumerate(seen.noise):
            outputs = seen.reference64[k], seen.candidate64[k]
            if outputs[0].dtype.kind == "f":
                inputs = seen.batch.inputs
                scale = input_scale(inputs, outputs[0]) if beside_inputs else np.zeros(())
                floor = with_relative_ground(floor, outputs, scale)
            inner = [*inner_of(run, k), moved[k]]
            noise.append(with_inner_rounding(floor, inner, ROUNDOFF64))
        return [replace(one, noise=tuple(noise)) for one in found]

    def _noise(
        self,
        run: RecordedRun,
        values: Values,
        inputs: tuple[Array, ...],
        double: Outcome,
        working: Mapping[Execution, Outcome],
    ) -> tuple[NoiseFloor, ...]:
        """Return the noise floors: by the recorded rounding, and by that of the model that runs."""
        moved = self.side.sensitivity(values, inputs, double, self.pair.seed)
        first = next(iter(working))
        finest, single = double, working[first]
        if self.draws:  # a random stream differs between the precisions
            single = double
        else:
            finest = self.side.run_finer(values, inputs, double)
        floors = tuple(
            noise_floor(
                (*recorded64, finest.outputs[k]),
                (*recorded, single.outputs[k]),
                (*recorded_change, moved[k]),
                input_scale(inputs, finest.outputs[k]),
                unit=ROUNDOFF32 if self.is_single or self.is_exact else self._unit,
            )
            for k, (recorded64, recorded, recorded_change) in enumerate(self._measured(run, first))
        )
        if self.is_single:
            return tuple(with_sums_in_order(floor, self._longest_sum) for floor in floors)
        if self.is_exact:
            return floors
        return tuple(floor_without_float64(floor, self._unit) for floor in floors)

    def _measured(
        self, run: RecordedRun, execution: Execution
    ) -> Iterator[tuple[tuple[Array, ...], tuple[Array, ...], tuple[Float, ...]]]:
        """Yield, for each output, what is known of the frozen model's own rounding."""
        for k, double in enumerate(run.float64):
            if self.is_recorded:
                change = run.sensitivity[k].astype(np.float64)
                yield (double,), (run.outputs[execution][k],), (change,)
            else:  # a wrong file would widen its own limits
                yield (), (), ()

    @cached_property
    def _longest_sum(self) -> int:
        """The terms of the longest sum that the model here computes."""
        runner = self.side.working.keras
        function = None if runner is None else runner.already_traced()
        return 1 if function is None else longest_sum(function)

    @cached_property
    def draws(self) -> bool:
        """Whether the model that runs gives other outputs with other seeds."""
        if not has_foreign_layers(self.live) and not self.side.working.is_random:
            return False
        inputs = self.answers.batches[0].inputs
        one, other = (
            self.side.run(
                self.weights[SAVED], inputs, "working", "traced_dynamic", seed=self.pair.seed + n
            )
            for n in (0, 1)
        )
        return changed(one, other)

    @property
    def _unit(self) -> float:
        """The unit roundoff of the coarser of the two models."""
        return max(self.side.unit, ROUNDOFFS.get(self.answers.coarsest_dtype, 0.0))

    def ordered(self, recorded: T, live: T) -> tuple[T, T]:
        """Return what belongs to the reference, and to the candidate."""
        return (recorded, live) if self.pair.reference is self.frozen else (live, recorded)

    def _stop_on_refusal(
        self, working: Mapping[Execution, Outcome], inputs: Sequence[Array]
    ) -> None:
        refused = [(execution, one.error) for execution, one in working.items() if one.error]
        if not refused:
            return
        execution, error = min(refused, key=lambda each: each[0])  # the eager one first
        assert error is not None
        shapes = tuple(array.shape for array in inputs)
        everywhere = len(refused) == len(working)
        raise Interrupted(CallRefusal(self.side.name, execution, error, shapes, everywhere))

    def _stop_on_shapes(
        self, run: RecordedRun, execution: Execution, outcome: Outcome, inputs: Sequence[Array]
    ) -> None:
        recorded = tuple(array.shape for array in run.float64)
        if outcome.shapes != recorded:
            shapes = tuple(array.shape for array in inputs)
            one, other = self.ordered(recorded, outcome.shapes)
            raise Interrupted(surprise=ShapeSurprise(execution, shapes, one, other))

    # --- what judging asks for -------------------------------------------------------------------

    @property
    def dtypes(self) -> tuple[str, str]:
        return self.ordered(self.answers.coarsest_dtype, self.side.coarsest_dtype)

    def of_live(self, seen: Observation) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return the float64 and the working-precision outputs of the model that runs."""
        if self.pair.reference is self.frozen:
            return seen.candidate64, seen.candidate
        return seen.reference64, seen.reference

    @property
    def inner_unit(self) -> float:
        if self.is_exact or self.is_single:
            return ROUNDOFF64
        return self._unit / coarse_margin(self._unit)

    @property
    def runs(self) -> Mapping[tuple[str, int], RecordedRun]:
        """The recorded runs by their weights and their batch."""
        batches = self.answers.batches
        return {(run.weights, id(batches[run.batch])): run for run in self.answers.runs}


def inner_of(run: RecordedRun, output: int) -> list[Float]:
    """Return the measured rounding inside the frozen model, if there is such a measurement."""
    return [run.inner[output].astype(np.float64)] if run.inner else []


def _as_double(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" else array
