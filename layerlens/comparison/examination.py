"""What two models of a pair do on the probes, and what deciding asks about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from layerlens.comparison.observer import Observer
from layerlens.comparison.randomness import is_random, is_restless
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import (
    config_constants,
    fixed_domains,
    has_variable_axis,
)
from layerlens.models.execute.lengths import (
    FarLengthPlan,
)
from layerlens.models.execute.receptive_field import ReceptiveField, receptive_field
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.weight_sets import WeightSet, lasting_weights, weight_sets
from layerlens.numerics.arrays import Array
from layerlens.numerics.judge import Witness
from layerlens.numerics.noise_floor import (
    ROUNDOFF64,
    input_scale,
    with_inner_rounding,
    with_relative_ground,
)
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import MINUTE_PROBE, Domain, ProbeBatch, draw_probes
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.shared_prefix import find_shared_prefix
from layerlens.report.pairs import CertificateRow
from layerlens.vocabulary import Execution

DYNAMIC: tuple[Execution, ...] = ("traced_dynamic",)
EVERY: tuple[Execution, ...] = ("traced_dynamic", "eager", "traced")
AS_CALLED: tuple[Execution, ...] = ("traced_dynamic", "eager")


@dataclass
class LengthRecord:
    """Which lengths of open axes were tried."""

    #: The greatest length that is tried of any model with open axes.
    longest: int = 0
    #: What was tried beyond all that the layers look across, and what was not affordable.
    reach: FarLengthPlan = field(default_factory=FarLengthPlan)
    #: The batches whose lengths are beyond that.
    far_batches: list[ProbeBatch] = field(default_factory=list)


@dataclass
class Examination:
    """One pair in one mode: both models, the weights to run them with, and what was observed.

    `probe_plan.examine` fills it.
    """

    reference: Side
    candidate: Side
    transfer: Transfer
    seed: int
    #: Looks for a certificate; None where one would not speak for this comparison.
    certify: Callable[[], CertificateRow | None] | None = None
    certificate: CertificateRow | None = None
    observations: list[Observation] = field(default_factory=list)
    sets: tuple[WeightSet, ...] = ()
    domains: tuple[Domain, ...] = ()
    #: The candidate's own weights, before the reference's are carried over.
    own: Values = ()
    #: Weights with which recurrent layers remember long; only far lengths meet them.
    lasting: tuple[WeightSet, ...] = ()
    lengths: LengthRecord = field(default_factory=LengthRecord)

    def begin(self, length: int) -> None:
        """Draw weights and domains; `length` is that of open axes."""
        self.domains = fixed_domains(self.models, length)
        self.own = tuple(self.candidate.working.values())
        given = self.reference, self.candidate, self.transfer, self.seed
        self.sets = weight_sets(*given)
        self.lasting = lasting_weights(*given)

    @property
    def main(self) -> WeightSet:
        """The weights that most probes meet: drawn ones, or the initial where none are drawn."""
        return self.sets[1] if len(self.sets) > 1 else self.sets[0]

    def __post_init__(self) -> None:
        shared = find_shared_prefix(self.reference, self.candidate, self.transfer)
        self.observer = Observer(self.reference, self.candidate, self.seed, shared_prefix=shared)

    def observe(
        self,
        weights: WeightSet,
        batch: ProbeBatch,
        executions: Sequence[Execution],
        *,
        outside_allowed: bool = False,
        chosen: bool = False,
    ) -> None:
        """Add what both models do with these weights on this batch, called in these ways."""
        found = self.observer.observe(
            weights, batch, executions, outside_allowed=outside_allowed, chosen=chosen
        )
        if chosen:
            found = tuple(map(self._pooled, found))
        if batch.names == (MINUTE_PROBE,):
            found = tuple(map(self._by_own_scale, found))
        self.observations += found

    def _by_own_scale(self, minute: Observation) -> Observation:
        """Hold numbers far below 1 against what rounding inside the models leaves of them."""
        if not minute.exact:
            return minute
        inner = self.inner_rounding(minute)
        if len(inner) < 2:
            return minute
        noise = []
        for k, floor in enumerate(minute.noise):
            outputs = minute.reference64[k], minute.candidate64[k]
            if outputs[0].dtype.kind == "f":
                scale = input_scale(minute.batch.inputs, outputs[0])
                floor = with_relative_ground(floor, outputs, scale)
            noise.append(with_inner_rounding(floor, [effect[k] for effect in inner], ROUNDOFF64))
        return replace(minute, noise=tuple(noise))

    def inner_rounding(
        self, seen: Observation, *, everywhere: bool = False
    ) -> list[tuple[Any, ...]]:
        """Return what rounding inside leaves of each model's outputs, as far as it is measured."""
        weights = self.weights_of(seen)
        return [
            effect
            for side, values, base in (
                (self.reference, weights.reference, seen.reference64),
                (self.candidate, weights.candidate, seen.candidate64),
            )
            if (
                effect := side.inner_rounding(
                    values, seen.batch.inputs, base, everywhere=everywhere
                )
            )
            is not None
        ]

    def _pooled(self, chosen: Observation) -> Observation:
        """Hold what was sought out against the rounding of all probes with the same weights.

        Few samples of one kind may round by little: beside a large shift, tiny inputs vanish.
        """
        alike = [o for o in self.observations if o.weights == chosen.weights]
        noise = tuple(
            replace(floor, pooled=max(floor.pooled, *(o.noise[k].pooled for o in alike)))
            for k, floor in enumerate(chosen.noise)
        )
        return replace(chosen, noise=noise)

    def find_certificate(self) -> CertificateRow | None:
        """Look for a certificate, once, where nothing observed so far speaks against one."""
        if self.certify is not None:
            self.certificate = self.certify()
            self.certify = None
        return self.certificate

    @property
    def models(self) -> tuple[Built, Built]:
        return (self.reference.built, self.candidate.built)

    @cached_property
    def receptive_fields(self) -> tuple[ReceptiveField, ReceptiveField]:
        return receptive_field(self.reference.built), receptive_field(self.candidate.built)

    def main_values(self) -> tuple[Values, Values]:
        return self.main.reference, self.main.candidate

    @cached_property
    def constants(self) -> tuple[float, ...]:
        """The numbers in both models' configurations."""
        return config_constants(self.models)

    def generic_inputs(self) -> tuple[Array, ...]:
        """Four samples of plain values, where no layer is at a kink."""
        return draw_probes(self.domains, self.seed + 2, samples=4)[0].inputs

    def scaled_inputs(self, factor: float) -> tuple[Array, ...]:
        """The same so many times larger, where they are floating."""
        return tuple(
            np.multiply(array, factor, dtype=array.dtype) if domain.kind == "float" else array
            for array, domain in zip(self.generic_inputs(), self.domains, strict=True)
        )

    def padded_inputs(self) -> tuple[Array, ...]:
        probes = draw_probes(self.domains, self.seed + 3, samples=4)
        return next(
            (p.inputs for p in probes if p.name in ("padded_end", "zero_end")), probes[0].inputs
        )

    def overrules_stored_weights(self) -> bool:
        """Tell whether the candidate came with weights that the reference's took the place of."""
        came_with = self.candidate.built.spec.form in ("file", "object", "python")
        carried = self.sets[0].candidate
        return came_with and not all(map(np.array_equal, self.own, carried))

    def any_random(self) -> bool:
        return any(self._randomness())

    def weights_of(self, observation: Observation) -> WeightSet:
        sets = (*self.sets, *self.lasting)
        return next(one for one in sets if one.kind == observation.weights)

    def both_random(self, restless: tuple[bool, bool] = (False, False)) -> bool:
        """Tell whether both outputs are random; what is restless is taken to be."""
        return all(map(any, zip(self._randomness(), restless, strict=True)))

    def restless(self) -> tuple[bool, bool]:
        """Tell which models change their result from call to call, seeds and states put back."""
        inputs, seen = self.generic_inputs(), self.observations
        eager = [o for o in seen if o.weights == self.main.kind and o.execution == "eager"]
        one, other = self.main_values()
        return (
            is_restless(self.reference, one, inputs, [(o.batch, o.reference) for o in eager]),
            is_restless(self.candidate, other, inputs, [(o.batch, o.candidate) for o in eager]),
        )

    def _randomness(self) -> tuple[bool, bool]:
        if not self.observer.is_random:
            return False, False
        inputs = self.generic_inputs()
        one, other = (
            is_random(side, values, inputs)
            for side, values in zip(
                (self.reference, self.candidate), self.main_values(), strict=True
            )
        )
        return one, other

    def observe_at_initialization(self, witness: Witness) -> bool:
        """Add what the initial weights make of the inputs that show a difference with others.

        Returns False where that is known.
        """
        seen, initial = witness.observation, self.sets[0]
        if any(o.weights == initial.kind and o.batch is seen.batch for o in self.observations):
            return False
        self.observe(initial, seen.batch, (seen.execution,))
        return True

    @property
    def longest_tried(self) -> int:
        """The greatest length of any open axis in what was observed."""
        lengths: Iterator[int] = (
            int(array.shape[axis])
            for observation in self.observations
            for spec, array in zip(
                self.reference.built.inputs, observation.batch.inputs, strict=True
            )
            for axis, size in enumerate(spec.shape, start=1)
            if size is None
        )
        return max(lengths, default=0)

    @property
    def unknown_layers(self) -> tuple[str, ...]:
        """The layers of which nobody knows how far they look, where a length is open."""
        if not has_variable_axis(self.reference.built):
            return ()
        return tuple(dict.fromkeys(name for one in self.receptive_fields for name in one.unknown))
