"""A short confirmation of a proof: both models run in working precision on a few batches.

A proof in exact arithmetic says nothing about overflow, and nothing about ways of calling that were
not traced. What a model does there shows in a few runs. No float64 form is needed: the outputs only
have to be as near to each other as working precision leaves them, on a generous scale. Where they
are not, the pair is observed and judged like one without a proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from layerlens.comparison.examination import AS_CALLED, DYNAMIC, Examination
from layerlens.comparison.probe_plan import ProbePlan, resized, telling_batch
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import fixed_domains, has_variable_axis
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.models.inspect.shapes import flat_shapes
from layerlens.numerics.arrays import Array, Float, per_sample_max
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import Judgement, probe_rows, summarized
from layerlens.numerics.noise_floor import ROUNDOFF32, ROUNDOFF64, NoiseFloor, input_scale
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import ProbeBatch, draw_generic, join, user_probe
from layerlens.proof.user_code import counts_in_code, runs_user_code
from layerlens.report.pairs import Rounding
from layerlens.vocabulary import Execution

#: The greatest difference that confirms a proof, in unit roundoffs of the sample's scale. A
#: rounding error of more is possible: it has to be measured, and the proof is not used till then.
CONFIRMED = 2.0**9


#: The numbers in user code that are tried as batch sizes: up to a greatest one, and of
#: those the greatest.
LARGEST_COUNT, MOST_COUNTS = 4096, 12
#: The steps by which the second length of variable axes is longer than the first.
FURTHER = 4


def confirm(examination: Examination) -> Judgement | None:
    """Run both models of a proved pair on a few batches, and add these to the observations.

    Returns None where a run is refused, a shape is not the announced one, or outputs differ by more
    than is rounding for sure.
    """
    plan = ProbePlan(examination)
    base = plan.base_length()
    examination.prepare(base)
    observations: list[Observation] = []
    for weights, batch, executions in _runs(plan, base):
        found = _Run(examination, weights, batch).observed(executions)
        if found is None:
            return None
        observations += found
    if not any(array.size for seen in observations for array in seen.reference):
        return None
    examination.observations = observations
    rows = tuple(replace(row, noise=None) for row in probe_rows(observations))
    return Judgement("equivalent", summarized(observations), Rounding(None, None), rows)


def _runs(
    plan: ProbePlan, base: int
) -> Iterator[tuple[WeightSet, ProbeBatch, Sequence[Execution]]]:
    """Yield the batches, each with the weights and the ways of calling it needs.

    Large models run on a few samples, as `predict` traces them.
    """
    examination = plan.examination
    given = user_probe(examination.domains)
    budget = examination.budget
    if given is not None:
        yield examination.sets[0], join([given]), DYNAMIC if budget.is_large else plan.executions()
    if budget.is_large:
        weights = examination.sets[0] if examination.is_identical else examination.main
        yield weights, telling_batch(examination, budget.samples), DYNAMIC
        return
    first, *extreme = plan.batches(examination.domains)
    yield examination.main, first, plan.executions()
    for batch in extreme:
        yield examination.main, batch, DYNAMIC
    built = examination.reference.built
    if all(one.built.batch_size is None for one in examination.sides):
        few = draw_generic(examination.domains, examination.seed + 1, samples=3)
        for samples in (1, 3):
            yield examination.main, resized(few, samples), plan.executions_of_batch_sizes()
        for samples in _counts_in_code(examination.models):
            yield examination.main, resized(few, samples), AS_CALLED
    if has_variable_axis(built):
        longer = base + FURTHER
        domains = fixed_domains(examination.models, longer)
        probe = draw_generic(domains, examination.seed + longer, samples=2)
        name = f"{probe.name} (length {longer})"
        yield examination.main, join([replace(probe, name=name)]), DYNAMIC


def _counts_in_code(models: Sequence[Built]) -> list[int]:
    """Return the batch sizes from which user code may do something else."""
    counts = set[int]().union(*(counts_in_code(one) for one in models if runs_user_code(one)))
    return sorted(n for n in counts if 3 < n <= LARGEST_COUNT)[-MOST_COUNTS:]


@dataclass(frozen=True)
class _Run:
    """Both models on one batch with one set of weights."""

    examination: Examination
    weights: WeightSet
    batch: ProbeBatch

    def observed(self, executions: Sequence[Execution]) -> list[Observation] | None:
        """Return an observation per way of calling; None where these do not all agree."""
        started = {
            execution: self.examination.observer.start(
                self.weights, self.batch, "working", execution, None
            )
            for execution in executions
        }
        pairs = {execution: (one(), other()) for execution, (one, other) in started.items()}
        outcomes = [outcome for pair in pairs.values() for outcome in pair]
        if any(outcome.error is not None for outcome in outcomes):
            return None
        first = outcomes[0]
        if any(outcome.shapes != first.shapes for outcome in outcomes) or not self._is_announced(
            first
        ):
            return None
        scales = [self._scale([o.outputs[k] for o in outcomes]) for k in range(len(first.outputs))]
        for k, scale in enumerate(scales):
            if any((distance(first.outputs[k], o.outputs[k]) > scale).any() for o in outcomes[1:]):
                return None
        return [self._observation(execution, *pairs[execution], scales) for execution in executions]

    def _is_announced(self, outcome: Outcome) -> bool:
        if self.examination.reference.built.spec.select is not None:
            return True
        return all(
            all(
                len(announced) == len(shape)
                and all(n is None or n == m for n, m in zip(announced, shape, strict=True))
                for announced, shape in zip(
                    flat_shapes([built.report.output_shape]), outcome.shapes, strict=True
                )
            )
            for built in self.examination.models
        )

    def _scale(self, outputs: Sequence[Array]) -> Float:
        """Return the difference that confirms, per element of an output; 0 for integers."""
        if any(output.dtype.kind != "f" for output in outputs):
            return np.zeros(outputs[0].shape)
        size: Float = np.zeros(outputs[0].shape)
        for output in outputs:
            size = np.maximum(size, np.where(np.isfinite(output), np.abs(output), 0.0))
        scale = np.maximum(per_sample_max(size), input_scale(self.batch.inputs, outputs[0]))
        return np.broadcast_to(CONFIRMED * self._unit * np.maximum(scale, 1.0), size.shape)

    @cached_property
    def _unit(self) -> float:
        doubles = all(built.precision == "float64" for built in self.examination.models)
        return ROUNDOFF64 if doubles else ROUNDOFF32

    def _observation(
        self, execution: Execution, one: Outcome, other: Outcome, scales: Sequence[Float]
    ) -> Observation:
        return Observation(
            self.weights.kind,
            execution,
            self.batch,
            one.outputs,
            other.outputs,
            one.outputs,
            other.outputs,
            tuple(NoiseFloor(working=scale, float64=scale) for scale in scales),
            exact=False,
        )
