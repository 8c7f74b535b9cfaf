"""The lengths of open axes with which a pair is observed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from layerlens.comparison.examination import AS_CALLED, DYNAMIC, Examination
from layerlens.comparison.observer import Interrupted
from layerlens.errors import MemoryLimitError
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import (
    COMBINATIONS,
    fixed_domains,
    longest_of,
    possible_counts,
)
from layerlens.models.execute.lengths import (
    BEYOND,
    MOST_EAGER,
    FarLengths,
    Lengths,
    affordable,
    far_lengths,
    is_stepwise,
    length_beyond,
    steps_to_remainders,
)
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.numerics.far_probes import far_probes
from layerlens.numerics.judge import judge
from layerlens.numerics.probes import (
    Probe,
    ProbeBatch,
    draw_generic,
    draw_probes,
    join,
)

#: At most so many lengths for the remainders by strides are observed.
MOST_REMAINDERS = 32
#: The steps by which several variable-length inputs are longer, each than the one before it.
UNEQUAL = (2, -2)


@dataclass(frozen=True)
class LengthPlan:
    """Observes a pair at several lengths, through one trace with unknown axes."""

    examination: Examination

    def observe_or_refuse(self, weights: WeightSet, base: int) -> None:
        """Observe other lengths.

        Raises:
            Interrupted: a model refused a length, unless a difference was observed already, or
                returned an unexpected shape.
        """
        try:
            self._observe_lengths(weights, base)
        except Interrupted as stop:
            seen = judge(self.examination.observations, steady=True)
            if stop.refusal is None or seen.verdict != "different":
                raise

    def _observe_lengths(self, weights: WeightSet, base: int) -> None:
        """Observe other lengths through one trace with unknown axes, as `predict` and `fit` use.

        Where layers look across more steps than these lengths have, add lengths beyond that.
        """
        built = self.examination.models
        longest = longest_of(built)
        if longest is not None:
            self.examination.lengths.longest = longest
            for batch, length in dict.fromkeys((*COMBINATIONS, (2, longest))):
                if length <= longest:
                    self._observe_length(weights, batch, length)
            return
        self.examination.lengths.longest = max(base, *(length for _, length in COMBINATIONS))
        self.examination.lengths.reach = far_lengths(
            self.examination.receptive_fields, self.examination.lengths.longest
        )
        for far in self.examination.lengths.reach.tries:
            self._observe_far(weights, far)
        further = [
            (2, n)
            for n in possible_counts(built)
            if affordable(self.examination.receptive_fields, dict.fromkeys(self._axes, n))
        ]
        for batch, length in (*self._remainders(), *further, *COMBINATIONS):
            self._observe_length(weights, batch, length)
        for steps in UNEQUAL:
            self._observe_unequal(weights, base, steps)

    def _remainders(self) -> Iterator[tuple[int, int]]:
        """Yield lengths beyond the receptive fields for the remainders by their strides."""
        fields = self.examination.receptive_fields
        steps = steps_to_remainders(fields)[:MOST_REMAINDERS]
        first = max(length_beyond(fields), self.examination.lengths.longest)
        for length in [first + n for n in (0, *steps)] if steps else []:
            if affordable(fields, dict.fromkeys(self._axes, length)):
                yield 2, length

    def _observe_unequal(self, weights: WeightSet, base: int, steps: int) -> None:
        """Observe inputs of which each is longer, or shorter, than the one before it.

        A model may accept inputs of one length alone, so a refusal decides nothing here.
        """
        batch = batch_of_unequal_lengths(
            self.examination.models, self.examination.seed, base, steps
        )
        if batch is None:
            return
        try:
            self.examination.observe(weights, batch, DYNAMIC, outside_allowed=True)
        except Interrupted as stop:
            if stop.refusal is None:
                raise

    def _observe_length(self, weights: WeightSet, samples: int, length: int) -> None:
        models, seed = self.examination.models, self.examination.seed
        batch = batch_of_length(models, seed, samples, length)
        executions = AS_CALLED if length <= MOST_EAGER or not self._is_stepwise else DYNAMIC
        self.examination.observe(weights, batch, executions, outside_allowed=True)

    def _observe_far(self, weights: WeightSet, far: FarLengths) -> None:
        """Observe a length beyond the receptive fields, or the next one that both models accept."""
        # Both may refuse axes of different lengths, or more steps than there are embeddings for.
        for lengths in _fallbacks(far.lengths):
            if not affordable(self.examination.receptive_fields, lengths):
                continue
            before = len(self.examination.observations)
            try:
                self._observe_far_probes(weights, far, lengths)
            except MemoryLimitError:  # less memory was free than estimated
                spans = {
                    axis: n - BEYOND
                    for axis, n in far.lengths.items()
                    if n > self.examination.lengths.longest
                }
                self.examination.lengths.reach = replace(
                    self.examination.lengths.reach, shortfall=spans
                )
            if len(self.examination.observations) > before:
                self.examination.lengths.far_batches.append(
                    self.examination.observations[before].batch
                )
                return

    def _observe_far_probes(self, weights: WeightSet, far: FarLengths, lengths: Lengths) -> None:
        longest = max(lengths.values())
        executions = DYNAMIC if far.is_stepwise and longest > MOST_EAGER else AS_CALLED
        axes = [axis for axis, length in lengths.items() if length == longest]
        domains = fixed_domains(self.examination.models, longest, lengths)
        probes = islice(far_probes(domains, axes, self.examination.seed), far.kinds)
        while chunk := list(islice(probes, far.samples)):
            batch = join([_at_length(probe, longest) for probe in chunk])
            before = len(self.examination.observations)
            for one in (weights, *self.examination.lasting):
                self.examination.observe(one, batch, executions, outside_allowed=True)
            if len(self.examination.observations) == before:
                return  # both models refuse the length

    @property
    def _axes(self) -> set[int]:
        """The open axes of the inputs, the batch axis counted."""
        return {axis for one in self.examination.receptive_fields for axis in one.spans}

    @property
    def _is_stepwise(self) -> bool:
        return any(map(is_stepwise, self.examination.receptive_fields))


def batch_of_length(models: Sequence[Built], seed: int, samples: int, length: int) -> ProbeBatch:
    """Return a batch of padded samples with open axes of one length, the last one not padded."""
    domains = fixed_domains(models, length)
    drawn = draw_probes(domains, seed + length, samples=samples)
    padded = next((p for p in drawn if p.name in ("padded_end", "zero_end")), drawn[0])
    arrays = tuple(array[:samples] for array in padded.inputs)
    # Padding hides what the last steps do, so one sample is not padded.
    full = draw_generic(domains, seed + length, samples=1)
    arrays = tuple(
        np.concatenate([some[: samples - 1], one]) if samples > 1 else some
        for some, one in zip(arrays, full.inputs, strict=True)
    )
    # Chunks of equal length may need a longer one than was asked for.
    opened = [
        domain.shape[spec.shape.index(None)]
        for domain, spec in zip(domains, models[0].inputs, strict=True)
        if None in spec.shape
    ]
    name = f"{padded.name} (batch {samples}, length {max(opened, default=length)})"
    return join([Probe(name, arrays)])


def batch_of_unequal_lengths(
    models: Sequence[Built], seed: int, base: int, steps: int
) -> ProbeBatch | None:
    """Return a batch in which each open input is so many steps longer than the one before it.

    None where fewer than two inputs have an open axis.
    """
    count = sum(None in spec.shape for spec in models[0].inputs)
    if count < 2:
        return None
    shortest = base + max(0, -steps) * (count - 1)
    lengths, domains = iter(range(shortest, shortest + steps * count, steps)), []
    for position, spec in enumerate(models[0].inputs):
        length = next(lengths) if None in spec.shape else base
        domains.append(fixed_domains(models, length)[position])
    probe = draw_generic(domains, seed, samples=2)
    name = f"{probe.name} (lengths {'rise' if steps > 0 else 'fall'} by {abs(steps)})"
    return join([Probe(name, probe.inputs)])


def _at_length(probe: Probe, length: int) -> Probe:
    return replace(probe, name=f"{probe.name} (length {length})")


def _fallbacks(lengths: Lengths) -> Iterator[Lengths]:
    """Yield these lengths, the same length for all axes, and then shorter and shorter ones."""
    longest = max(lengths.values())
    yield lengths
    if len(set(lengths.values())) > 1:
        yield dict.fromkeys(lengths, longest)
    while (longest := longest // 2) > MOST_EAGER:
        yield {axis: min(length, longest) for axis, length in lengths.items()}
