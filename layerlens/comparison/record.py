"""Record a model: run it on probes, and keep what it returned and how much it rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from layerlens.comparison.coverage import unseen_by
from layerlens.comparison.examination import AS_CALLED, Examination
from layerlens.comparison.probe_plan import ProbePlan
from layerlens.comparison.randomness import changed, is_random, is_unrepeatable
from layerlens.comparison.recording_plan import RecordingPlan, RecordingProbes
from layerlens.comparison.rounding import depends_on_execution
from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.models.execute.float32_residue import float32_residue
from layerlens.models.execute.input_domains import (
    numbers_in,
    written_numbers,
)
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Precision, Side, Values
from layerlens.models.execute.variables import pair_model_weights
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.numerics.arrays import Array
from layerlens.numerics.judge import judge
from layerlens.numerics.noise_floor import (
    ROUNDOFF32,
    ROUNDOFF64,
    coarse_margin,
    floor_without_float64,
    input_scale,
    noise_floor,
)
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import (
    FLOAT32_MAX,
    ProbeBatch,
)
from layerlens.numerics.recording import Float32Parts, RecordedRun, Recording, Versions
from layerlens.plain import stage
from layerlens.report.layers import TRANSLATED_FROM, ModelReport
from layerlens.scenario.spec import InputSpec
from layerlens.vocabulary import Execution

#: The kinds of weights that are recorded besides the model's own, the most telling ones first.
FURTHER_WEIGHTS = ("drawn", "gentle", "degenerate")


def record(
    side: Side, versions: Versions, seed: int, plans: Sequence[RecordingPlan]
) -> Iterator[tuple[RecordingPlan, Recording]]:
    """Yield what each plan records of a model.

    Raises:
        UsageError: the model's outputs are random, not numbers, or it refuses the probes.
    """
    recorder = _Recorder(side, versions, seed)
    for plan in plans:
        yield plan, recorder.recording(plan)


class _Recorder:
    def __init__(self, side: Side, versions: Versions, seed: int) -> None:
        built = side.built
        transfer = pair_model_weights(built, built, "by_order")
        self._side = side
        self._versions = versions
        self._seed = seed
        # Against itself: the probes and weights of a pair, of which one side is run.
        self._alone = Examination(side, side, transfer, seed)
        base = ProbePlan(self._alone).base_length()
        self._alone.prepare(base)
        self._probes = RecordingProbes(self._alone, base)
        self._refuse_random()

    def recording(self, plan: RecordingPlan) -> Recording:
        """Return what one plan records."""
        side = self._side
        stage.enter(f"recording `{side.name}`")
        saved, *drawn = self._alone.sets
        kept = (saved, *self._further(drawn, plan.kinds))
        main = self._probes.main_batch(plan)
        runs = [self._run(one, 0, main, AS_CALLED) for one in kept]
        for one, run in zip(kept, runs, strict=True):
            self._refuse_inconsistent(one, run, main)
        others = list(self._probes.other_batches(plan, main, runs[-1]))
        batches = [main, *others]
        # Other lengths and batch sizes are recorded with one set of weights.
        runs += [
            self._run(kept[1] if len(kept) > 1 else saved, position, batch, AS_CALLED)
            for position, batch in enumerate(others, start=1)
        ]
        return Recording(
            report=_lasting(side.built.report),
            inputs=tuple(
                _named(spec, name)
                for spec, name in zip(side.built.inputs, side.built.input_names, strict=True)
            ),
            slots=tuple(side.working.slots()),
            weights={one.kind: one.reference for one in kept},
            batches=tuple(batches),
            runs=tuple(runs),
            output_dtypes=tuple(str(tensor.dtype) for tensor in side.built.model.outputs),
            coarsest_dtype=side.coarsest_dtype,
            exact=side.is_exact,
            float32=self._float32_parts(),
            numbers={
                name: tuple(sorted(own)) for name, own in numbers_in(side.built).items() if own
            },
            unseen=unseen_by(
                side,
                [one.reference for one in kept[1:] or kept],
                [batch.inputs for batch in batches],
                self._seed,
            ),
            seed=self._seed,
            versions=self._versions,
        )

    @staticmethod
    def _further(drawn: Sequence[WeightSet], count: int) -> tuple[WeightSet, ...]:
        by_kind = {one.kind: one for one in drawn}
        return tuple(by_kind[kind] for kind in FURTHER_WEIGHTS[:count] if kind in by_kind)

    # --- runs -------------------------------------------------------------------------------------

    def _run(
        self, weights: WeightSet, position: int, batch: ProbeBatch, executions: Sequence[Execution]
    ) -> RecordedRun:
        side, values, inputs = self._side, weights.reference, batch.inputs
        double = self._outcome(values, inputs, "float64", "traced_dynamic")
        outputs = {
            execution: self._outcome(values, inputs, "working", execution)
            for execution in executions
        }
        for outcome in outputs.values():
            if outcome.shapes != double.shapes:
                raise UsageError(
                    f"`{side.name}` cannot be recorded: the shape of its output depends on how it "
                    f"is called ({list(outcome.shapes)} or {list(double.shapes)})",
                    hint="`layerlens compare` shows how the calls differ",
                    code=Code.CANNOT_RECORD,
                )
        sensitivity = side.sensitivity(values, inputs, double, self._seed)
        inner = side.inner_rounding(values, inputs, double.outputs)
        return RecordedRun(
            weights.kind,
            position,
            {execution: outcome.outputs for execution, outcome in outputs.items()},
            double.outputs,
            tuple(map(_as_measured, sensitivity)),
            tuple(map(_as_measured, inner or map(np.zeros_like, sensitivity))),
        )

    def _outcome(
        self, values: Values, inputs: Sequence[Array], precision: Precision, execution: Execution
    ) -> Outcome:
        outcome = self._side.run(values, inputs, precision, execution)
        if outcome.error is not None and precision == "float64" and self._side.is_exact:
            self._side.leave_float64()
            return self._outcome(values, inputs, precision, execution)
        if outcome.error is not None:
            raise UsageError(
                f"`{self._side.name}` cannot be recorded: {outcome.error.message}",
                hint=outcome.error.hint,
                code=Code.CANNOT_RECORD,
            )
        for output in outcome.outputs:
            if output.dtype.kind not in "fiub":
                raise UsageError(
                    f"`{self._side.name}` cannot be recorded: it returns {output.dtype} values",
                    hint="record the part of the model that returns numbers",
                    code=Code.CANNOT_RECORD,
                )
        return outcome

    def _refuse_random(self) -> None:
        side, inputs = self._side, self._alone.generic_inputs()
        one, other = (
            side.run(
                self._alone.sets[0].reference,
                inputs,
                "working",
                "traced_dynamic",
                seed=self._seed + draw,
            )
            for draw in (0, 1)
        )
        repeats = one.error is None and not is_unrepeatable(
            side, self._alone.sets[0].reference, inputs, []
        )
        if one.error is None and (
            not repeats
            or changed(one, other)
            or is_random(side, self._alone.sets[0].reference, inputs)
        ):
            raise UsageError(
                f"`{side.name}` cannot be recorded: its outputs are random in inference",
                hint="call its random layers with `training=False`, or compare the models "
                "themselves: that compares random outputs by their distribution",
                code=Code.CANNOT_RECORD,
            )

    def _refuse_inconsistent(self, weights: WeightSet, run: RecordedRun, batch: ProbeBatch) -> None:
        """Refuse a model that computes one thing called eagerly and another one traced."""
        side = self._side
        unit = ROUNDOFF32 if side.is_exact else side.unit
        noise = tuple(
            noise_floor((double,), (single,), (moved.astype(np.float64),), scale, unit=unit)
            for double, single, moved in zip(
                run.float64, run.outputs["traced_dynamic"], run.sensitivity, strict=True
            )
            for scale in [input_scale(batch.inputs, double)]
        )
        if not side.is_exact:
            noise = tuple(floor_without_float64(floor, unit) for floor in noise)
        itself = [
            Observation(
                run.weights,
                execution,
                batch,
                outputs,
                outputs,
                run.float64,
                run.float64,
                noise,
                side.is_exact,
            )
            for execution, outputs in run.outputs.items()
        ]
        witness = judge(itself).witness
        if witness is None:
            return
        seen = witness.observation
        unit = ROUNDOFF64 if side.is_exact else side.unit / coarse_margin(side.unit)
        values = weights.reference
        if depends_on_execution(side, values, seen, seen.reference64, seen.reference, unit):
            raise UsageError(
                f"`{side.name}` cannot be recorded: its outputs when called eagerly differ from "
                "those when traced with unknown lengths",
                hint="`layerlens compare` shows an input on which they differ; a layer that is "
                "called with `training=True` computes something else in `predict`",
                code=Code.CANNOT_RECORD,
            )

    def _float32_parts(self) -> Float32Parts:
        runner = self._side.float64.keras
        if runner is None or not self._side.is_exact:
            return Float32Parts()
        function = runner.concrete(self._alone.generic_inputs())
        found = float32_residue(function, written_numbers(runner.built))
        return Float32Parts(tuple(sorted(found.constants)), found.computed)


def _named(spec: InputSpec, name: str) -> InputSpec:
    return replace(spec, name=name, values=None)


def _lasting(report: ModelReport) -> ModelReport:
    """Return a report without remarks on what ran it, which a recording does not depend on."""
    notes = tuple(note for note in report.notes if note.startswith(TRANSLATED_FROM))
    return replace(report, notes=notes, outside_code=())


def _as_measured(change: Array) -> Array:
    """Return a measured change as float32, which is enough for its size; at most the greatest."""
    finite = np.nan_to_num(change.astype(np.float64), nan=0.0, posinf=FLOAT32_MAX)
    return np.minimum(finite, FLOAT32_MAX).astype(np.float32)
