"""Record a model: run it on probes, and keep what it returned and how much it rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerlens.comparison.coverage import unseen_by
from layerlens.comparison.examination import AS_CALLED, Examination
from layerlens.comparison.length_plan import batch_of_length
from layerlens.comparison.probe_plan import ProbePlan, masked_probes, resized, telling_batch
from layerlens.comparison.randomness import changed, is_random, is_unrepeatable
from layerlens.comparison.rounding import depends_on_execution
from layerlens.errors import UsageError
from layerlens.models.execute.float32_residue import float32_residue
from layerlens.models.execute.input_domains import (
    COMBINATIONS,
    config_constants,
    has_variable_axis,
    mask_values,
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
    COARSE_MARGIN,
    ROUNDOFF64,
    floor_without_float64,
    input_scale,
    noise_floor,
)
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import (
    EXTREME,
    FLOAT32_MAX,
    Domain,
    Probe,
    ProbeBatch,
    draw_generic,
    draw_probes,
    join,
    user_probe,
)
from layerlens.numerics.recording import Float32Parts, RecordedRun, Recording, Versions
from layerlens.plain import stage
from layerlens.report.layers import TRANSLATED_FROM, ModelReport
from layerlens.scenario.spec import InputSpec
from layerlens.vocabulary import Execution

#: The kinds of weights that are recorded besides the model's own, the most telling ones first.
FURTHER_WEIGHTS = ("drawn", "gentle", "degenerate")
#: The greatest batch size that is recorded because a layer may know it, and the samples drawn.
LARGEST_BATCH, FEW = 64, 3


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """How much is recorded."""

    #: Kinds of weights besides the model's own.
    kinds: int
    #: Samples of each kind of probe, and whether all kinds are recorded or a few telling ones.
    samples: int
    all_probes: bool = True


#: From the plan that records most to the one that records least.
PLANS = (
    RecordingPlan(3, 2),
    RecordingPlan(2, 1),
    RecordingPlan(1, 1),
    RecordingPlan(1, 1, all_probes=False),
    RecordingPlan(0, 1, all_probes=False),
)


def plans_within(weight_bytes: int, most_bytes: int) -> tuple[RecordingPlan, ...]:
    """Return the plans whose weights alone do not exceed a size; random numbers hardly shrink."""
    return tuple(plan for plan in PLANS if weight_bytes * (1 + plan.kinds) <= most_bytes)


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
        self._plan = ProbePlan(self._alone)
        self._alone.prepare(self._plan.base_length())
        self._refuse_random()

    def recording(self, plan: RecordingPlan) -> Recording:
        """Return what one plan records."""
        side = self._side
        stage.enter(f"recording `{side.name}`")
        saved, *drawn = self._alone.sets
        kept = (saved, *self._further(drawn, plan.kinds))
        main = self._main_batch(plan)
        runs = [self._run(one, 0, main, AS_CALLED) for one in kept]
        for one, run in zip(kept, runs, strict=True):
            self._refuse_inconsistent(one, run, main)
        others = list(self._other_batches(plan, main, runs[-1]))
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

    # --- probes -----------------------------------------------------------------------------------

    def _main_batch(self, plan: RecordingPlan) -> ProbeBatch:
        """Return all kinds of probes of one length in one batch, or a few telling ones.

        Without those near the ends of a dtype's range, next to which all else passes for rounding.
        """
        given = user_probe(self._domains)
        own = () if given is None else (given,)
        budget = self._alone.budget
        if not plan.all_probes or budget.is_heavy:
            few = telling_batch(self._alone, budget.probes)
            if given is None:
                return few
            parts = [
                Probe(name, tuple(array[part] for array in few.inputs))
                for name, part in zip(few.names, few.slices, strict=True)
            ]
            return join([given, *parts])
        models = self._alone.models
        masked = masked_probes(self._domains, mask_values(models[:1]), self._seed, plan.samples)
        return join(
            [*own, *(one for one in (*self._drawn(plan), *masked) if one.name not in EXTREME)]
        )

    def _other_batches(
        self, plan: RecordingPlan, main: ProbeBatch, seen: RecordedRun
    ) -> Iterator[ProbeBatch]:
        """Yield probes that need a batch of their own, other batch sizes, and other lengths."""
        built = self._side.built
        if self._alone.budget.is_heavy:
            return
        if plan.all_probes:
            yield from (join([probe]) for probe in self._drawn(plan) if probe.name in EXTREME)
            if self._depends_on_batch(main, seen):
                yield from (alone(main, position) for position in range(len(main.names)))
        probe = draw_generic(self._domains, self._seed + 1, samples=FEW)
        if built.batch_size is None and probe.samples == FEW:
            sizes = self._plan.batch_sizes() if plan.all_probes else (1, FEW)
            yield from (resized(probe, size) for size in sizes if size <= LARGEST_BATCH)
        if not has_variable_axis(built):
            return
        combinations = COMBINATIONS if plan.all_probes else COMBINATIONS[:2]
        for samples, length in combinations:
            batch = batch_of_length((built,), self._seed, samples, length)
            if self._accepts(batch):
                yield batch

    def _drawn(self, plan: RecordingPlan) -> tuple[Probe, ...]:
        return draw_probes(
            self._domains,
            self._seed,
            samples=plan.samples,
            constants=config_constants(self._alone.models[:1]),
        )

    def _depends_on_batch(self, main: ProbeBatch, seen: RecordedRun) -> bool:
        """Return whether an output depends on the other samples of its batch."""
        weights = next(one for one in self._alone.sets if one.kind == seen.weights)
        outputs = seen.outputs["traced_dynamic"]
        own = Observation(
            seen.weights, "traced_dynamic", main, outputs, outputs, seen.float64, seen.float64, ()
        )
        return self._alone.observer.depends_on_batch(weights, own)

    def _accepts(self, batch: ProbeBatch) -> bool:
        outcome = self._side.run(self._own, batch.inputs, "working", "traced_dynamic")
        return outcome.error is None and all(output.size for output in outcome.outputs)

    @property
    def _domains(self) -> tuple[Domain, ...]:
        return self._alone.domains

    @property
    def _own(self) -> Values:
        return self._alone.sets[0].reference

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
                    f"`{side.name}` gives other shapes when it is called in another way "
                    f"({list(outcome.shapes)} against {list(double.shapes)}), so there is no one "
                    "function to record",
                    hint="`layerlens compare` says in which way the calls differ",
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
            )
        for output in outcome.outputs:
            if output.dtype.kind not in "fiub":
                raise UsageError(
                    f"`{self._side.name}` cannot be recorded: it returns {output.dtype} values",
                    hint="record the part of the model that returns numbers",
                )
        return outcome

    def _refuse_random(self) -> None:
        side, inputs = self._side, self._alone.generic_inputs()
        one, other = (
            side.run(self._own, inputs, "working", "traced_dynamic", seed=self._seed + draw)
            for draw in (0, 1)
        )
        repeats = one.error is None and not is_unrepeatable(side, self._own, inputs, [])
        if one.error is None and (
            not repeats or changed(one, other) or is_random(side, self._own, inputs)
        ):
            raise UsageError(
                f"`{side.name}` cannot be recorded: its outputs are random in inference",
                hint="call its random layers with `training=False`, or compare the models "
                "themselves: that compares random outputs by their distribution",
            )

    def _refuse_inconsistent(self, weights: WeightSet, run: RecordedRun, batch: ProbeBatch) -> None:
        """Refuse a model that computes one thing called eagerly and another one traced."""
        side = self._side
        noise = tuple(
            noise_floor((double,), (single,), (moved.astype(np.float64),), scale)
            for double, single, moved in zip(
                run.float64, run.outputs["traced_dynamic"], run.sensitivity, strict=True
            )
            for scale in [input_scale(batch.inputs, double)]
        )
        if not side.is_exact:
            noise = tuple(floor_without_float64(floor, side.unit) for floor in noise)
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
        seen, unit = witness.observation, ROUNDOFF64 if side.is_exact else side.unit / COARSE_MARGIN
        values = weights.reference
        if depends_on_execution(side, values, seen, seen.reference64, seen.reference, unit):
            called = seen.execution.replace("_", " ")
            raise UsageError(
                f"`{side.name}` cannot be recorded: called {called} it gives other outputs than "
                "traced with unknown lengths, so there is no one function to record",
                hint="`layerlens compare` shows an input on which they differ; a layer that is "
                "called with `training=True` computes otherwise in `predict`",
            )

    def _float32_parts(self) -> Float32Parts:
        runner = self._side.float64.keras
        if runner is None or not self._side.is_exact:
            return Float32Parts()
        function = runner.concrete(self._alone.generic_inputs())
        found = float32_residue(function, written_numbers(runner.built))
        return Float32Parts(tuple(sorted(found.constants)), found.computed)


def alone(batch: ProbeBatch, position: int) -> ProbeBatch:
    """Return one probe of a batch as a batch of its own."""
    part = batch.slices[position]
    inputs = tuple(array[part] for array in batch.inputs)
    return join([Probe(batch.names[position], inputs)])


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
