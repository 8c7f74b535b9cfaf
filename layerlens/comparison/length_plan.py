"""Which lengths of open axes a pair is observed with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from layerlens.comparison.examination import AS_CALLED, DYNAMIC, Examination
from layerlens.comparison.observer import Interrupted
from layerlens.errors import MemoryLimitError
from layerlens.models.execute.input_domains import (
    COMBINATIONS,
    fixed_domains,
    foreign_layer_counts,
)
from layerlens.models.execute.lengths import (
    BEYOND,
    MOST_EAGER,
    FarLengths,
    Lengths,
    affordable,
    far_lengths,
    is_stepwise,
)
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.numerics.far_probes import far_probes
from layerlens.numerics.judge import judge
from layerlens.numerics.probes import (
    Probe,
    draw_probes,
    join,
)


@dataclass(frozen=True)
class LengthPlan:
    """Lengths through the one trace with unknown axes, up to beyond all that the layers reach."""

    work: Examination

    def observe_or_refuse(self, weights: WeightSet, base: int) -> None:
        """Observe other lengths; one that is too short for a model decides only if all agrees."""
        try:
            self._observe_lengths(weights, base)
        except Interrupted as stop:
            seen = judge(self.work.observations, steady=True)
            if stop.refusal is None or seen.verdict != "different":
                raise

    def _observe_lengths(self, weights: WeightSet, base: int) -> None:
        """Other lengths through the one trace with unknown axes, as `predict` and `fit` have it.

        Where layers look across more steps than those have, others are beyond what they reach.
        """
        built = self.work.models
        self.work.lengths.longest = max(base, *(length for _, length in COMBINATIONS))
        self.work.lengths.reach = far_lengths(self.work.receptive_fields, self.work.lengths.longest)
        for far in self.work.lengths.reach.tries:
            self._observe_far(weights, far)
        further = [
            (2, n)
            for n in foreign_layer_counts(built)
            if affordable(self.work.receptive_fields, dict.fromkeys(self._axes, n))
        ]
        for batch, length in (*further, *COMBINATIONS):
            self._observe_length(weights, batch, length)

    def _observe_length(self, weights: WeightSet, batch: int, length: int) -> None:
        domains = fixed_domains(self.work.models, length)
        drawn = draw_probes(domains, self.work.seed + length, samples=batch)
        probe = next((p for p in drawn if p.name in ("padded_end", "zero_end")), drawn[0])
        arrays = tuple(array[:batch] for array in probe.inputs)
        name = f"{probe.name} (batch {batch}, length {length})"
        executions = AS_CALLED if length <= MOST_EAGER or not self._is_stepwise else DYNAMIC
        self.work.observe(weights, join([Probe(name, arrays)]), executions, outside_allowed=True)

    def _observe_far(self, weights: WeightSet, far: FarLengths) -> None:
        """Observe a length beyond what the layers look across, or what both take instead."""
        # Both may refuse unlike axes, or more steps than a position has an embedding for.
        for lengths in _fallbacks(far.lengths):
            if not affordable(self.work.receptive_fields, lengths):
                continue
            before = len(self.work.observations)
            try:
                self._observe_far_probes(weights, far, lengths)
            except MemoryLimitError:  # there was less than was reckoned with
                spans = {
                    axis: n - BEYOND
                    for axis, n in far.lengths.items()
                    if n > self.work.lengths.longest
                }
                self.work.lengths.reach = replace(self.work.lengths.reach, shortfall=spans)
            if len(self.work.observations) > before:
                self.work.lengths.far_batches.append(self.work.observations[before].batch)
                return

    def _observe_far_probes(self, weights: WeightSet, far: FarLengths, lengths: Lengths) -> None:
        longest = max(lengths.values())
        executions = DYNAMIC if far.is_stepwise and longest > MOST_EAGER else AS_CALLED
        axes = [axis for axis, length in lengths.items() if length == longest]
        domains = fixed_domains(self.work.models, longest, lengths)
        probes = islice(far_probes(domains, axes, self.work.seed), far.kinds)
        while some := list(islice(probes, far.samples)):
            batch = join([_at_length(probe, longest) for probe in some])
            before = len(self.work.observations)
            for one in (weights, *self.work.lasting):
                self.work.observe(one, batch, executions, outside_allowed=True)
            if len(self.work.observations) == before:
                return  # too long, or too short, for both

    @property
    def _axes(self) -> set[int]:
        """The open axes of the inputs, the batch axis counted."""
        return {axis for one in self.work.receptive_fields for axis in one.spans}

    @property
    def _is_stepwise(self) -> bool:
        return any(map(is_stepwise, self.work.receptive_fields))


def _at_length(probe: Probe, length: int) -> Probe:
    return replace(probe, name=f"{probe.name} (length {length})")


def _fallbacks(lengths: Lengths) -> Iterator[Lengths]:
    """Yield lengths, the same for all axes, and then ever shorter ones."""
    longest = max(lengths.values())
    yield lengths
    if len(set(lengths.values())) > 1:
        yield dict.fromkeys(lengths, longest)
    while (longest := longest // 2) > MOST_EAGER:
        yield {axis: min(length, longest) for axis, length in lengths.items()}
