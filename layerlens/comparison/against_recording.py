"""Compare a model with a recording: one side is run, the other answers as it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from layerlens.comparison.coverage import unseen_by
from layerlens.comparison.observer import Interrupted
from layerlens.comparison.pair import Pair
from layerlens.comparison.randomness import changed
from layerlens.comparison.recorded_range import RecordedRange, within_range
from layerlens.comparison.rounding import depends_on_execution
from layerlens.models.build.request import Built, Recorded
from layerlens.models.execute.float32_residue import float32_residue
from layerlens.models.execute.input_domains import (
    has_foreign_layers,
    numbers_in,
    written_numbers,
)
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import given_weights, pair_model_weights
from layerlens.numerics.arrays import Array
from layerlens.numerics.dtype_range import (
    overflows,
    without_out_of_range,
)
from layerlens.numerics.judge import (
    Judgement,
    is_apart,
    is_hidden_by_scale,
    is_rounding,
    judge,
)
from layerlens.numerics.noise_floor import (
    COARSE_MARGIN,
    ROUNDOFF64,
    ROUNDOFFS,
    NoiseFloor,
    floor_without_float64,
    input_scale,
    noise_floor,
    with_inner_rounding,
    with_relative_ground,
)
from layerlens.numerics.observation import CallRefusal, Evidence, Observation, ShapeSurprise
from layerlens.numerics.probes import MINUTE_PROBE
from layerlens.numerics.recording import SAVED, RecordedRun, Recording
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain import stage
from layerlens.scenario.spec import Tolerance
from layerlens.vocabulary import AlsoDiffers, Execution

T = TypeVar("T")

_NUMBERS = (
    "in float64 they differ by what constants rounded to float32 could explain, but their layers "
    "have other numbers too"
)
_UNPROVED = "a recording holds outputs and no computation about which anything could be proved"


@dataclass(frozen=True, slots=True)
class RecordingFindings:
    """What comparing a model with a recording found.

    `judgement` is None where the model refused a recorded input or gave another shape; `evidence`
    then says so. `overruled` says whether the model was stored with other weights than recorded.
    """

    evidence: Evidence
    judgement: Judgement | None = None
    overruled: bool = False


def compare_with_recording(pair: Pair, recorded: Recorded, live: Built) -> RecordingFindings:
    """Run a model on the inputs and weights of a recording, and judge it by what was recorded."""
    comparison = _Comparison(pair, recorded, live)
    try:
        comparison.observe_all()
    except Interrupted as stop:
        seen = tuple(comparison.observations)
        return RecordingFindings(
            Evidence(seen, refusal=stop.refusal, shape_surprise=stop.surprise, plan="recording")
        )
    judgement = comparison.judgement(pair.scenario.tolerance)
    evidence = Evidence(
        tuple(comparison.in_range()),
        also_differs=comparison.also_differs(),
        unseen=comparison.unseen() if judgement.verdict == "equivalent" else (),
        unproved=_UNPROVED if judgement.verdict == "equivalent" else None,
        plan="recording",
    )
    return RecordingFindings(evidence, judgement, comparison.overrules_stored_weights())


def _in_float32(number: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(number))


@dataclass
class _Comparison:
    pair: Pair
    recorded: Recorded
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
        if not self.recording.exact:
            self.side.leave_float64()
        self._own = tuple(self.side.working.values())

    @property
    def recording(self) -> Recording:
        return self.recorded.recording

    @property
    def _is_exact(self) -> bool:
        return self.recording.exact and self.side.is_exact

    # --- weights ----------------------------------------------------------------------------------

    @cached_property
    def _transfer(self) -> Transfer:
        """How the recorded weights are carried over to the model that runs."""
        return pair_model_weights(self.recorded, self.live, self.pair.scenario.transfer)

    @cached_property
    def _weights(self) -> Mapping[str, Values]:
        """Kind → the recorded weights, carried over to the model that runs."""
        transfer = self._transfer
        if not transfer.candidate or transfer.method == "none":
            return {SAVED: self._own}
        pinned = given_weights(self.live)
        return {
            kind: tuple(
                mine if position in pinned else value
                for position, (mine, value) in enumerate(
                    zip(self._own, transfer.carry(values, self._own), strict=True)
                )
            )
            for kind, values in self.recording.weights.items()
        }

    def overrules_stored_weights(self) -> bool:
        """Return whether the recorded weights replace others in the model's file."""
        return self.live.spec.form == "file" and not all(
            map(np.array_equal, self._own, self._weights[SAVED])
        )

    # --- observations -----------------------------------------------------------------------------

    def observe_all(self) -> None:
        """Run the model on everything recorded.

        Raises:
            Interrupted: the model refused a recorded input, or gave another shape than recorded.
        """
        self.observations.clear()
        was_exact = self._is_exact
        for run in self.recording.runs:
            if run.weights not in self._weights:
                continue  # each model keeps its own weights
            stage.enter(
                "running the model on what was recorded; it ran on "
                f"{len(self.observations)} batches so far"
            )
            found = self._observe(run)
            is_minute = self.recording.batches[run.batch].names == (MINUTE_PROBE,)
            is_hidden = not self._is_apart and any(map(is_hidden_by_scale, found))
            if self._is_exact and (is_minute or is_hidden):
                found = self._with_relative_noise(run, found, beside_inputs=is_minute)
            self._is_apart = self._is_apart or any(map(is_apart, found))
            self.observations += found
            if was_exact and not self._is_exact:  # everything is compared in one precision
                self.observe_all()
                return

    def _observe(self, run: RecordedRun) -> list[Observation]:
        batch = self.recording.batches[run.batch]
        values, inputs = self._weights[run.weights], batch.inputs
        double = self.side.run(values, inputs, "float64", "traced_dynamic")
        working = {
            execution: self.side.run(values, inputs, "working", execution)
            for execution in run.outputs
        }
        self._stop_on_refusal(working, inputs)
        if double.error is not None:
            self.side.leave_float64()  # Keras lacks a float64 form of some operation
            double = self.side.run(values, inputs, "float64", "traced_dynamic")
        self._stop_on_shapes(run, {**working, "traced_dynamic": double}, inputs)
        noise = self._noise(run, values, inputs, double, working)
        found = []
        for execution, outcome in working.items():
            recorded = run.outputs[execution]
            recorded64 = run.float64 if self._is_exact else run.outputs["traced_dynamic"]
            one, other = self._ordered(recorded, outcome.outputs)
            one64, other64 = self._ordered(recorded64, double.outputs)
            found.append(
                Observation(
                    run.weights, execution, batch, one, other, one64, other64, noise, self._is_exact
                )
            )
        return found

    def _with_relative_noise(
        self, run: RecordedRun, found: Sequence[Observation], *, beside_inputs: bool
    ) -> list[Observation]:
        """Return observations of tiny numbers with noise floors relative to their size."""
        seen = found[0]
        base, _ = self._of_live(seen)
        moved = self.side.inner_rounding(self._weights[seen.weights], seen.batch.inputs, base)
        if moved is None:
            return list(found)
        noise = []
        for k, floor in enumerate(seen.noise):
            outputs = seen.reference64[k], seen.candidate64[k]
            if outputs[0].dtype.kind == "f":
                inputs = seen.batch.inputs
                scale = input_scale(inputs, outputs[0]) if beside_inputs else np.zeros(())
                floor = with_relative_ground(floor, outputs, scale)
            inner = [run.inner[k].astype(np.float64), moved[k]]
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
        if self._draws:  # a random stream differs between the precisions
            single = double
        else:
            finest = self.side.run_finer(values, inputs, double)
        floors = tuple(
            noise_floor(
                (run.float64[k], finest.outputs[k]),
                (run.outputs[first][k], single.outputs[k]),
                (run.sensitivity[k].astype(np.float64), moved[k]),
                input_scale(inputs, run.float64[k]),
            )
            for k in range(len(run.float64))
        )
        if self._is_exact:
            return floors
        return tuple(floor_without_float64(floor, self._unit) for floor in floors)

    @cached_property
    def _draws(self) -> bool:
        """Whether the model that runs gives other outputs with other seeds."""
        if not has_foreign_layers(self.live) and not self.side.working.is_random:
            return False
        inputs = self.recording.batches[0].inputs
        one, other = (
            self.side.run(
                self._weights[SAVED], inputs, "working", "traced_dynamic", seed=self.pair.seed + n
            )
            for n in (0, 1)
        )
        return changed(one, other)

    @property
    def _unit(self) -> float:
        """The unit roundoff of the coarser of the two models."""
        return max(self.side.unit, ROUNDOFFS.get(self.recording.coarsest_dtype, 0.0))

    def _ordered(self, recorded: T, live: T) -> tuple[T, T]:
        """Return what belongs to the reference, and to the candidate."""
        return (recorded, live) if self.pair.reference is self.recorded else (live, recorded)

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
        self, run: RecordedRun, outcomes: Mapping[Execution, Outcome], inputs: Sequence[Array]
    ) -> None:
        recorded = tuple(array.shape for array in run.float64)
        for execution, outcome in outcomes.items():
            if outcome.shapes != recorded:
                shapes = tuple(array.shape for array in inputs)
                one, other = self._ordered(recorded, outcome.shapes)
                raise Interrupted(surprise=ShapeSurprise(execution, shapes, one, other))

    # --- judging ----------------------------------------------------------------------------------

    def judgement(self, tolerance: Tolerance | None) -> Judgement:
        """Judge; where outputs differ, first measure rounding inside, then look for float32."""
        found = self._judged(tolerance)
        if tolerance is not None:
            return found
        if found.verdict != "equivalent" and self._add_inner_rounding():
            found = self._judged()
        may_be_rounding = found.verdict != "equivalent" and found.near_rounding
        if may_be_rounding and self._has_residue():
            found = self._judged(residue=True)
            if found.verdict == "equivalent" and self._other_numbers(float):
                found = replace(found, verdict="inconclusive", reason=_NUMBERS)
        return within_range(found, self._range())

    def in_range(self) -> list[Observation]:
        """Return the observations without values that half precision does not have to represent."""
        return [without_out_of_range(one, self._dtypes) for one in self.observations]

    def _range(self) -> RecordedRange:
        return RecordedRange(
            tuple(self.observations),
            self._dtypes,
            self._ordered(self.recorded.spec.name, self.side.name),
            self.side,
            self._weights,
            self._runs,
            is_reference=self.pair.reference is not self.recorded,
        )

    @property
    def _dtypes(self) -> tuple[str, str]:
        return self._ordered(self.recording.coarsest_dtype, self.side.coarsest_dtype)

    def _judged(self, tolerance: Tolerance | None = None, *, residue: bool = False) -> Judgement:
        seen = self.in_range()
        found = judge(seen, tolerance=tolerance, residue=residue, steady=self._draws)
        witness = found.witness
        if witness is None or witness.inconsistent is None:
            return found
        if witness.inconsistent == self._ordered("candidate", "reference")[0]:
            one = witness.observation
            values = self._weights[one.weights]
            base, working = self._of_live(one)
            if depends_on_execution(self.side, values, one, base, working, self._inner_unit):
                return found
        return judge(seen, tolerance=tolerance, residue=residue, steady=True)

    def _of_live(self, seen: Observation) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return the float64 and the working-precision outputs of the model that runs."""
        if self.pair.reference is self.recorded:
            return seen.candidate64, seen.candidate
        return seen.reference64, seen.reference

    @property
    def _inner_unit(self) -> float:
        return ROUNDOFF64 if self._is_exact else self._unit / COARSE_MARGIN

    def _add_inner_rounding(self) -> bool:
        """Add the rounding inside both models to the noise floors where the outputs differ."""
        stage.enter("measuring the rounding inside the models")
        measured = False
        for at, seen in enumerate(self.observations):
            if is_rounding(seen):
                continue
            run = self._runs[seen.weights, id(seen.batch)]
            base, _ = self._of_live(seen)
            moved = self.side.inner_rounding(self._weights[seen.weights], seen.batch.inputs, base)
            noise = tuple(
                with_inner_rounding(
                    floor,
                    [run.inner[k].astype(np.float64), *(() if moved is None else (moved[k],))],
                    self._inner_unit,
                )
                for k, floor in enumerate(seen.noise)
            )
            self.observations[at] = replace(seen, noise=noise)
            measured = True
        return measured

    @property
    def _runs(self) -> Mapping[tuple[str, int], RecordedRun]:
        """The recorded runs by their weights and their batch."""
        batches = self.recording.batches
        return {(run.weights, id(batches[run.batch])): run for run in self.recording.runs}

    def _has_residue(self) -> bool:
        """Return whether one float64 form computes something in float32 that the other does not."""
        runner = self.side.float64.keras
        if runner is None or not self._is_exact:
            return True  # nothing is known of what it computes in
        self.side.hold(self._weights[SAVED], "float64")
        function = runner.concrete(self.recording.batches[0].inputs)
        found = float32_residue(function, written_numbers(runner.built))
        kept = self.recording.float32
        return found.computed or kept.computed or found.constants != frozenset(kept.constants)

    # --- beside the outputs -----------------------------------------------------------------------

    def also_differs(self) -> tuple[AlsoDiffers, ...]:
        """Return what differs beside the outputs, as far as a recording has it."""
        dtypes = tuple(str(tensor.dtype) for tensor in self.live.model.outputs)
        found: list[AlsoDiffers] = []
        if dtypes != self.recording.output_dtypes:
            found.append("dtype")
        if not self._draws and overflows(self.in_range()):
            found.append("overflow")
        return tuple(found)

    def unseen(self) -> tuple[str, ...]:
        """Return the weights and layers of either model that the recorded inputs do not show."""
        drawn = [kind for kind in self._weights if kind != SAVED] or [SAVED]
        sets = [self._weights[kind] for kind in drawn]
        batches = [batch.inputs for batch in self.recording.batches]
        own = unseen_by(self.side, sets, batches, self.pair.seed)
        # Weights that a mapping leaves alone were tried with their own values only.
        kept = self._transfer.keeps_own if self._transfer.method == "mapping" else ()
        return tuple(
            dict.fromkeys((*own, *kept, *self._other_numbers(_in_float32), *self.recording.unseen))
        )

    def _other_numbers(self, digits: Callable[[float], float]) -> tuple[str, ...]:
        """Return the layers of either model with numbers that the other does not have.

        Their outputs may jump where the other model's do not, at inputs that were not recorded.
        `digits` leaves of a number what is compared of it.
        """
        recorded, live = (
            {name: frozenset(map(digits, own)) for name, own in numbers.items()}
            for numbers in (self.recording.numbers, numbers_in(self.live))
        )
        return tuple(
            name
            for ours, theirs in ((live, recorded), (recorded, live))
            for name, own in ours.items()
            if own.difference(*theirs.values())
        )
