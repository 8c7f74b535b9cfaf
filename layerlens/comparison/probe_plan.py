"""Which probes, weights and ways of calling a pair is observed with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from layerlens.comparison.examination import AS_CALLED, DYNAMIC, EVERY, Examination
from layerlens.comparison.length_plan import LengthPlan
from layerlens.comparison.observer import Interrupted
from layerlens.models.execute.input_domains import (
    BASE_LENGTHS,
    config_constants,
    fixed_domains,
    foreign_layer_counts,
    has_variable_axis,
    mask_values,
)
from layerlens.models.execute.side import Side
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.models.inspect.shapes import flat_shapes
from layerlens.numerics.judge import judge
from layerlens.numerics.observation import Evidence
from layerlens.numerics.probes import (
    EXTREME,
    Domain,
    Probe,
    ProbeBatch,
    all_values_probe,
    draw_probes,
    generator,
    join,
    user_probe,
)
from layerlens.scenario.slices import parse_select
from layerlens.vocabulary import Execution


def examine(examination: Examination) -> Evidence:
    """Observe a pair as planned; what a model refuses ends the plan and is part of the evidence."""
    try:
        ProbePlan(examination).observe_all()
    except Interrupted as stop:
        return Evidence(
            tuple(examination.observations), refusal=stop.refusal, shape_surprise=stop.surprise
        )
    return Evidence(tuple(examination.observations))


#: The greatest length at which all kinds of probes are tried, where a model takes no shorter one.
LONGEST_BASE = 8192


@dataclass(frozen=True)
class ProbePlan:
    """The probes for one pair, each with the weights and ways of calling it needs."""

    work: Examination

    def observe_all(self) -> None:
        base = self._base_length()
        self.work.begin(base)
        domains, sets, main = self.work.domains, self.work.sets, self.work.main
        given = user_probe(domains)
        if given is not None:
            self.work.observe(sets[0], join([given]), self._executions())
        batches = list(self._batches(domains))
        for batch in batches:
            self.work.observe(main, batch, self._executions())
            if main is not sets[0]:
                self.work.observe(sets[0], batch, DYNAMIC)
        if judge(self.work.observations).verdict == "equivalent":
            self.work.find_certificate()
        if self.work.certificate is None:  # a certificate is for all weights; without, try more
            for batch in batches:
                for other in sets[2:]:
                    self.work.observe(other, batch, DYNAMIC)
        self._observe_among_others(main, domains)
        every = all_values_probe(domains)
        if every is not None:
            self.work.observe(main, join([every]), DYNAMIC)
        self._observe_batch_sizes(main, domains)
        if has_variable_axis(self.work.reference.built):
            LengthPlan(self.work).observe_or_refuse(main, base)

    def _batches(self, domains: Sequence[Domain]) -> Iterator[ProbeBatch]:
        """Yield the probes as one batch; each alone where samples share statistics or are chosen.

        In training they share statistics, and a slice may choose among them.
        """
        probes = self._probes(domains)
        if not self.work.reference.training and not self._chooses_samples():
            # Beside numbers near the end of the range all else would be taken for rounding.
            yield join([probe for probe in probes if probe.name not in EXTREME])
            yield from (join([probe]) for probe in probes if probe.name in EXTREME)
            return
        chosen = ("normal", "uniform", "large", "padded_end", "ties", "random", "zero_end")
        for probe in probes:
            if probe.name in (*chosen, *EXTREME) or not self.work.reference.training:
                yield join([probe])

    def _probes(self, domains: Sequence[Domain]) -> tuple[Probe, ...]:
        built = self.work.models
        samples = 6 if self.work.reference.training else 2
        return (
            *draw_probes(
                domains, self.work.seed, samples=samples, constants=config_constants(built)
            ),
            *_masked_probes(domains, mask_values(built), self.work.seed, samples),
        )

    def _observe_among_others(self, weights: WeightSet, domains: Sequence[Domain]) -> None:
        """All probes in one batch where they were alone, and alone where neighbours matter.

        In training most are too many to be observed alone. Beside large samples small ones may
        show nothing, if what a layer does depends on all of its batch.
        """
        if self.work.reference.training:
            if not self._chooses_samples():
                self.work.observe(weights, join(self._probes(domains)), DYNAMIC)
            return
        seen = max(
            (o for o in self.work.observations if o.weights == weights.kind),
            key=lambda o: len(o.batch.inputs[0]),
        )
        if self.work.observer.depends_on_neighbours(weights, seen):
            for probe in self._probes(domains):
                for one in {id(one): one for one in (weights, self.work.sets[0])}.values():
                    self.work.observe(one, join([probe]), DYNAMIC)

    def _chooses_samples(self) -> bool:
        """Tell whether a slice takes only some samples of a batch: the others would not count."""
        selects = (built.spec.select for built in self.work.models)
        first = [parse_select(text)[0] for text in selects if text is not None]
        return any(index not in (slice(None), Ellipsis) for index in first)

    def _observe_batch_sizes(self, weights: WeightSet, domains: Sequence[Domain]) -> None:
        """A batch of one, of three, and of as many samples as an axis is long."""
        probe = next(iter(draw_probes(domains, self.work.seed + 1, samples=3)))
        if probe.samples < 3 or getattr(self.work.reference.built, "batch_size", None):
            return
        for batch in (1, 3, *self._axis_lengths(), *foreign_layer_counts(self.work.models)):
            rows = np.arange(batch) % probe.samples
            part = Probe(f"{probe.name} (batch {batch})", tuple(a[rows] for a in probe.inputs))
            self.work.observe(weights, join([part]), AS_CALLED if self._merges() else DYNAMIC)

    def _executions(self) -> tuple[Execution, ...]:
        """Return the ways of calling to try on the main probes.

        Known shapes are what an eager call has, and tracing is what unknown shapes go through:
        Keras' own layers on fixed shapes have no third way left to differ in.
        """
        own = all(name.startswith("keras.") for name in self._modules())
        return AS_CALLED if own and not has_variable_axis(self.work.reference.built) else EVERY

    def _merges(self) -> bool:
        """Tell whether a layer broadcasts several inputs, or is not one of Keras' own."""
        return any(".merging." in name or not name.startswith("keras.") for name in self._modules())

    def _modules(self) -> set[str]:
        return {
            type(layer).__module__
            for built in self.work.models
            for layer in flat_layers(built.model)
        }

    def _axis_lengths(self) -> tuple[int, ...]:
        """Return lengths of axes that a batch of the same size could be mistaken for."""
        shapes = [
            self.work.reference.built.report.output_shape,
            self.work.reference.built.report.input_shape,
        ]
        lengths = {
            n for shape in flat_shapes(shapes) for n in shape[1:] if n is not None and 3 < n <= 64
        }
        return tuple(sorted(lengths)[:4])

    def _base_length(self) -> int:
        """Return the first length that both models take where an axis is variable.

        Where there is none, the first that the reference takes.
        """
        lengths = list(BASE_LENGTHS)
        if not has_variable_axis(self.work.reference.built):
            return lengths[0]
        least = max(one.span for one in self.work.receptive_fields)
        if lengths[0] < least <= LONGEST_BASE:
            lengths += [least, least + 1]
        first = None
        for length in lengths:
            if self._takes(self.work.reference, length):
                first = first or length
                if self._takes(self.work.candidate, length):
                    return length
        return first or lengths[0]

    def _takes(self, side: Side, length: int) -> bool:
        """Tell whether a model makes something of inputs of this length."""
        probe = draw_probes(fixed_domains(self.work.models, length), self.work.seed, samples=1)[0]
        outcome = side.run(tuple(side.working.values()), probe.inputs, "working", "eager")
        return outcome.error is None and all(output.size for output in outcome.outputs)


def _masked_probes(
    domains: Sequence[Domain], values: Sequence[float], seed: int, samples: int
) -> Iterator[Probe]:
    """Yield whole time steps set to a mask value that is not zero."""
    for value in values:
        arrays = []
        for domain in domains:
            rng = generator(seed, "masked", value)
            array = rng.standard_normal((3 * samples, *domain.shape))
            if domain.kind != "float" or len(domain.shape) < 2:
                return
            array[rng.random(array.shape[:2]) < 0.4] = value
            array[0, -1] = array[1, 0] = value
            arrays.append(array.astype("float32"))
        yield Probe(f"steps at {value:g}", tuple(arrays))
