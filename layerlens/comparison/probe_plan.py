"""The probes, weights and ways of calling with which a pair is observed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from layerlens.comparison.budget import Budget
from layerlens.comparison.examination import AS_CALLED, DYNAMIC, EVERY, Examination
from layerlens.comparison.length_plan import LengthPlan
from layerlens.comparison.observer import Interrupted
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import (
    BASE_LENGTHS,
    MOST_ALIKE,
    fixed_domains,
    has_foreign_layers,
    has_variable_axis,
    longest_of,
    mask_values,
    possible_counts,
)
from layerlens.models.execute.side import Side
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.models.inspect.nested_layers import (
    flat_layers,
    is_test_of_masking,
    operation_nodes,
)
from layerlens.models.inspect.shapes import flat_shapes
from layerlens.numerics.arrays import Array
from layerlens.numerics.observation import Evidence
from layerlens.numerics.probes import (
    EXTREME,
    Domain,
    Probe,
    ProbeBatch,
    all_values_probe,
    draw_generic,
    draw_probes,
    generator,
    join,
    user_probe,
)
from layerlens.scenario.slices import parse_select
from layerlens.vocabulary import Execution


def examine(examination: Examination) -> Evidence:
    """Observe a pair on all planned probes; a refusal ends the plan and is part of the evidence."""
    plan = ProbePlan(examination)
    try:
        plan.observe_all()
    except Interrupted as stop:
        return Evidence(
            tuple(examination.observations), refusal=stop.refusal, shape_surprise=stop.surprise
        )
    return Evidence(
        tuple(examination.observations), plan="few_probes" if plan.has_few else "all_probes"
    )


#: The greatest number in a slice of the batch up to which batches of as many samples are tried.
MOST_SELECTED = 1000
#: The greatest length for all kinds of probes, where a model accepts no shorter one.
MAX_BASE_LENGTH = 8192


#: Lengths to try first on the open axes of images, in large models.
IMAGE_LENGTHS = (48, 96)


@dataclass(frozen=True)
class ProbePlan:
    """The probes for one pair, each with the weights and ways of calling it needs."""

    examination: Examination

    def observe_all(self) -> None:
        base = self.base_length()
        self.examination.prepare(base)
        domains, sets, main = self.examination.domains, self.examination.sets, self.examination.main
        given = user_probe(domains)
        if given is not None:
            self.examination.observe(sets[0], join([given]), self.executions())
        if self.has_few:
            self._observe_few(self.examination.budget)
        else:
            self._observe_all_kinds(main, domains)
        if has_variable_axis(self.examination.reference.built):
            LengthPlan(self.examination).observe_or_refuse(main, base)

    @property
    def has_few(self) -> bool:
        """Whether a few probes have to do. In training each kind of probe is a batch of its own."""
        return self.examination.budget.is_heavy and not self.examination.reference.training

    def _observe_few(self, budget: Budget) -> None:
        """Observe a few samples of a heavy model, on drawn weights and on the initial ones."""
        few = telling_batch(self.examination, budget.probes)
        for weights in {
            id(one): one for one in (self.examination.main, self.examination.sets[0])
        }.values():
            self.examination.observe(weights, few, DYNAMIC)
        one = ProbeBatch(few.names[:1], (slice(0, 1),), tuple(a[:1] for a in few.inputs))
        if self.examination.reference.built.batch_size is None:
            self.examination.observe(self.examination.main, one, AS_CALLED)

    def _observe_all_kinds(self, main: WeightSet, domains: Sequence[Domain]) -> None:
        sets = self.examination.sets
        batches = list(self.batches(domains))
        for batch in batches:
            self.examination.observe(main, batch, self.executions())
            if main is not sets[0]:
                self.examination.observe(sets[0], batch, DYNAMIC)
        if self.examination.certificate is None:  # a certificate holds for all weights
            for batch in batches:
                for weights in sets[2:]:
                    self.examination.observe(weights, batch, DYNAMIC)
        self._observe_other_batches(main, domains)
        all_values = all_values_probe(domains)
        if all_values is not None:
            self.examination.observe(main, join([all_values]), DYNAMIC)
        self._observe_batch_sizes(main, domains)

    def batches(self, domains: Sequence[Domain]) -> Iterator[ProbeBatch]:
        """Yield the probes as one batch; each alone in training, or where samples are selected.

        In training the samples of a batch share statistics, and a slice may select some of them.
        """
        probes = self._probes(domains)
        if not self.examination.reference.training and not self._selects_samples():
            # Next to numbers near the end of the range everything else would pass for rounding.
            yield join([probe for probe in probes if probe.name not in EXTREME])
            yield from (join([probe]) for probe in probes if probe.name in EXTREME)
            return
        chosen = ("normal", "uniform", "large", "padded_end", "ties", "random", "zero_end")
        for probe in probes:
            if probe.name in (*chosen, *EXTREME) or not self.examination.reference.training:
                yield join([probe])

    def _probes(self, domains: Sequence[Domain]) -> tuple[Probe, ...]:
        built = self.examination.models
        samples = 6 if self.examination.reference.training else 2
        return (
            *draw_probes(
                domains,
                self.examination.seed,
                samples=samples,
                constants=self.examination.constants,
            ),
            *masked_probes(domains, mask_values(built), self.examination.seed, samples),
        )

    def _observe_other_batches(self, weights: WeightSet, domains: Sequence[Domain]) -> None:
        """Observe all probes in one batch where they were alone, and alone where batches matter.

        In training only some probes are observed alone. In inference small samples may show nothing
        next to large ones where a layer's output depends on its whole batch.
        """
        if self.examination.reference.training:
            if not self._selects_samples():
                self.examination.observe(weights, join(self._probes(domains)), DYNAMIC)
            return
        seen = max(
            (o for o in self.examination.observations if o.weights == weights.kind),
            key=lambda o: len(o.batch.inputs[0]),
        )
        if self.examination.observer.depends_on_batch(weights, seen):
            for probe in self._probes(domains):
                for one in {id(one): one for one in (weights, self.examination.sets[0])}.values():
                    self.examination.observe(one, join([probe]), DYNAMIC)

    def _selects_samples(self) -> bool:
        """Return whether a slice selects some samples of a batch, so that the others are unused."""
        selects = (built.spec.select for built in self.examination.models)
        first_accepted = [parse_select(text)[0] for text in selects if text is not None]
        return any(index not in (slice(None), Ellipsis) for index in first_accepted)

    def _selected_counts(self) -> Iterator[int]:
        """Yield batch sizes at which slices of the batch differ: what they name, and one more."""
        for built in self.examination.models:
            first = None if built.spec.select is None else parse_select(built.spec.select)[0]
            named = (first.start, first.stop, first.step) if isinstance(first, slice) else (first,)
            for number in named:
                if isinstance(number, int) and 1 < abs(number) <= MOST_SELECTED:
                    yield from (abs(number), abs(number) + 1)

    def _observe_batch_sizes(self, weights: WeightSet, domains: Sequence[Domain]) -> None:
        """Observe a batch of one, of three, and of as many samples as an axis is long."""
        probe = draw_generic(domains, self.examination.seed + 1, samples=3)
        if probe.samples < 3 or getattr(self.examination.reference.built, "batch_size", None):
            return
        for batch in self.batch_sizes():
            self.examination.observe(
                weights, resized(probe, batch), self.executions_of_batch_sizes()
            )

    def batch_sizes(self) -> tuple[int, ...]:
        """Return one, three, the lengths of some axes, and counts that the models may know.

        Code that Keras does not define may know any small count.
        """
        models = self.examination.models
        counts = {*self._selected_counts(), *possible_counts(models)}
        small = range(1, MOST_ALIKE + 1) if any(map(has_foreign_layers, models)) else (1, 3)
        return tuple(dict.fromkeys((*small, *self._axis_lengths(), *sorted(counts))))

    def executions(self) -> tuple[Execution, ...]:
        """Return the ways of calling for the main probes.

        An eager call has known shapes, and a traced one with open axes unknown ones. Keras' own
        layers on fixed shapes do not behave in a third way when traced with known shapes.
        """
        own = all(name.startswith("keras.") for name in _modules(self.examination.models))
        own = own and not any(map(has_foreign_layers, self.examination.models))
        return (
            AS_CALLED if own and not has_variable_axis(self.examination.reference.built) else EVERY
        )

    def executions_of_batch_sizes(self) -> tuple[Execution, ...]:
        """Return the ways of calling with other batch sizes."""
        return AS_CALLED if may_broadcast(self.examination.models) else DYNAMIC

    def _axis_lengths(self) -> tuple[int, ...]:
        """Return lengths of axes that could be confused with a batch of the same size."""
        shapes = [
            self.examination.reference.built.report.output_shape,
            self.examination.reference.built.report.input_shape,
        ]
        lengths = {
            n for shape in flat_shapes(shapes) for n in shape[1:] if n is not None and 3 < n <= 64
        }
        return tuple(sorted(lengths)[:4])

    def base_length(self) -> int:
        """Return the first length that both models accept where an axis is variable.

        Where there is none, return the first that the reference accepts.
        """
        lengths = list(BASE_LENGTHS)
        longest = longest_of(self.examination.models)
        if longest is not None:
            lengths = [longest, *(length for length in lengths if length < longest)]
        if not has_variable_axis(self.examination.reference.built):
            return lengths[0]
        if self.examination.budget.is_large and self._takes_images():
            lengths = [*IMAGE_LENGTHS, *lengths]  # strides leave nothing of a smaller image
        least_length = max(one.span for one in self.examination.receptive_fields)
        if lengths[0] < least_length <= MAX_BASE_LENGTH:
            lengths += [least_length, least_length + 1]
        first_accepted = None
        for length in lengths:
            if self._accepts(self.examination.reference, length):
                first_accepted = first_accepted or length
                if self.examination.is_identical or self._accepts(
                    self.examination.candidate, length
                ):
                    return length
        return first_accepted or lengths[0]

    def _takes_images(self) -> bool:
        inputs = self.examination.reference.built.inputs
        return any(spec.shape.count(None) > 1 for spec in inputs)

    def _accepts(self, side: Side, length: int) -> bool:
        """Return whether a model accepts inputs of this length and returns numbers.

        Where strides leave nothing of an input, outputs are empty, or means of nothing: NaN.
        """
        domains = fixed_domains(self.examination.models, length)
        probe = draw_generic(domains, self.examination.seed, samples=1)
        values = tuple(side.working.values())
        outcome = side.run(values, probe.inputs, "working", "eager")
        if outcome.error is not None or not all(map(_holds_numbers, outcome.outputs)):
            return False
        # TensorFlow's eager convolutions take fewer steps than a dilated kernel covers, and return
        # what is no convolution; a trace refuses them.
        covers = all(one.span <= length for one in self.examination.receptive_fields)
        return covers or side.run(values, probe.inputs, "working", "traced").error is None


def _holds_numbers(output: Array) -> bool:
    return bool(output.size) and (output.dtype.kind != "f" or bool(np.isfinite(output).any()))


#: Probes of which a batch for large models has one sample each, the most telling ones first.
TELLING = ("normal", "random", "zeros", "token_low", "uniform", "repeats", "ones", "zero_end")


def telling_batch(examination: Examination, samples: int) -> ProbeBatch:
    """Return a batch of so few samples, each of another kind."""
    kinds = TELLING if samples <= len(TELLING) else None
    probes = [
        probe
        for probe in draw_probes(examination.domains, examination.seed, samples=1, kinds=kinds)
        if probe.name not in EXTREME
    ]
    known = {name: place for place, name in enumerate(TELLING)}
    ordered = sorted(probes, key=lambda probe: known.get(probe.name, len(known)))
    first = [Probe(p.name, tuple(array[:1] for array in p.inputs)) for p in ordered]
    return join(first[:samples])


def resized(probe: Probe, samples: int) -> ProbeBatch:
    """Return a batch of so many samples of a probe, repeated where it has fewer."""
    rows = np.arange(samples) % probe.samples
    name = f"{probe.name} (batch {samples})"
    return join([Probe(name, tuple(array[rows] for array in probe.inputs))])


def masked_probes(
    domains: Sequence[Domain], values: Sequence[float], seed: int, samples: int
) -> Iterator[Probe]:
    """Yield probes with whole time steps set to a mask value other than zero."""
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


def may_broadcast(models: Sequence[Built]) -> bool:
    """Return whether a layer merges several inputs, runs user code or is an operation.

    Operations that only compute a mask do not.
    """
    return any(map(has_foreign_layers, models)) or any(
        ".merging." in name or ".ops." in name or not name.startswith("keras.")
        for name in _modules(models, is_test_of_masking)
    )


def _modules(models: Sequence[Built], ignored: Callable[[Any], bool] = lambda _: False) -> set[str]:
    """Return the modules that define the layers and operations of models, but for ignored nodes."""
    called = chain.from_iterable(
        (
            *flat_layers(built.model),
            *(node.operation for node in operation_nodes(built.model) if not ignored(node)),
        )
        for built in models
    )
    return {type(one).__module__ for one in called}
