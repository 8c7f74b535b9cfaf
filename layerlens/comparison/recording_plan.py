"""How much of a model is recorded, and the probes for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from layerlens.comparison.examination import AS_CALLED, Examination
from layerlens.comparison.length_plan import (
    UNEQUAL,
    batch_of_length,
    batch_of_unequal_lengths,
)
from layerlens.comparison.probe_plan import ProbePlan, masked_probes, resized, telling_batch
from layerlens.models.execute.input_domains import (
    COMBINATIONS,
    config_constants,
    has_variable_axis,
    mask_values,
)
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import (
    EXTREME,
    Domain,
    Probe,
    ProbeBatch,
    draw_generic,
    draw_probes,
    join,
    user_probe,
)
from layerlens.numerics.recording import RecordedRun

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
    #: Whether all batch sizes that a layer may know are tried, or one and a few samples alone.
    all_batch_sizes: bool = True


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


@dataclass(frozen=True)
class RecordingProbes:
    """The batches to record of a model, which is examined alone, as both sides of a pair."""

    alone: Examination
    #: The length of open axes in most batches.
    base: int

    def main_batch(self, plan: RecordingPlan) -> ProbeBatch:
        """Return all kinds of probes of one length in one batch, or a few telling ones.

        Without those near the ends of a dtype's range, next to which all else passes for rounding.
        """
        given = user_probe(self._domains)
        own = () if given is None else (given,)
        budget = self.alone.budget
        if not plan.all_probes or budget.is_heavy:
            few = telling_batch(self.alone, budget.probes)
            if given is None:
                return few
            parts = [
                Probe(name, tuple(array[part] for array in few.inputs))
                for name, part in zip(few.names, few.slices, strict=True)
            ]
            return join([given, *parts])
        models = self.alone.models
        masked = masked_probes(
            self._domains, mask_values(models[:1]), self.alone.seed, plan.samples
        )
        return join(
            [*own, *(one for one in (*self._drawn(plan), *masked) if one.name not in EXTREME)]
        )

    def other_batches(
        self, plan: RecordingPlan, main: ProbeBatch, seen: RecordedRun
    ) -> Iterator[ProbeBatch]:
        """Yield probes that need a batch of their own, other batch sizes, and other lengths."""
        built = self.side.built
        if self.alone.budget.is_heavy:
            return
        if plan.all_probes:
            yield from (join([probe]) for probe in self._drawn(plan) if probe.name in EXTREME)
            if self._depends_on_batch(main, seen):
                yield from (_alone(main, position) for position in range(len(main.names)))
        probe = draw_generic(self._domains, self.alone.seed + 1, samples=FEW)
        if built.batch_size is None and probe.samples == FEW:
            every = plan.all_probes and plan.all_batch_sizes
            sizes = ProbePlan(self.alone).batch_sizes() if every else (1, FEW)
            yield from (resized(probe, size) for size in sizes if size <= LARGEST_BATCH)
        if not has_variable_axis(built):
            return
        models, seed = self.alone.models[:1], self.alone.seed
        combinations = COMBINATIONS if plan.all_probes else COMBINATIONS[:2]
        others = [batch_of_length(models, seed, *one) for one in combinations]
        for steps in UNEQUAL:
            unequal = batch_of_unequal_lengths(models, seed, self.base, steps)
            others += [] if unequal is None else [unequal]
        yield from filter(self._accepts, others)

    def _drawn(self, plan: RecordingPlan) -> tuple[Probe, ...]:
        return draw_probes(
            self._domains,
            self.alone.seed,
            samples=plan.samples,
            constants=config_constants(self.alone.models[:1]),
        )

    def _depends_on_batch(self, main: ProbeBatch, seen: RecordedRun) -> bool:
        """Return whether an output depends on the other samples of its batch."""
        weights = next(one for one in self.alone.sets if one.kind == seen.weights)
        outputs = seen.outputs["traced_dynamic"]
        own = Observation(
            seen.weights, "traced_dynamic", main, outputs, outputs, seen.float64, seen.float64, ()
        )
        return self.alone.observer.depends_on_batch(weights, own)

    def _accepts(self, batch: ProbeBatch) -> bool:
        """Return whether the model takes a batch in every way of calling that is recorded."""
        outcomes = [
            self.side.run(self._own, batch.inputs, "working", execution) for execution in AS_CALLED
        ]
        return all(
            one.error is None and all(output.size for output in one.outputs) for one in outcomes
        )

    @property
    def side(self) -> Side:
        return self.alone.reference

    @property
    def _domains(self) -> tuple[Domain, ...]:
        return self.alone.domains

    @property
    def _own(self) -> Values:
        return self.alone.sets[0].reference


def _alone(batch: ProbeBatch, position: int) -> ProbeBatch:
    """Return one probe of a batch as a batch of its own."""
    part = batch.slices[position]
    inputs = tuple(array[part] for array in batch.inputs)
    return join([Probe(batch.names[position], inputs)])
