"""What two models of a pair do on the probes, and what deciding asks about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from layerlens.comparison.budget import Budget
from layerlens.comparison.effort import MAX_EAGER_STEPS
from layerlens.comparison.observer import Observer
from layerlens.comparison.randomness import is_random, is_unrepeatable
from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.request import Built
from layerlens.models.execute.graph_constants import constants_in_graph, may_hold_constants
from layerlens.models.execute.input_domains import (
    config_constants,
    fixed_domains,
    has_variable_axis,
)
from layerlens.models.execute.lengths import (
    FarLengthPlan,
    goes_by_steps,
)
from layerlens.models.execute.receptive_field import ReceptiveField, receptive_field
from layerlens.models.execute.side import Precision, Side, Values
from layerlens.models.execute.weight_sets import WeightSet, lasting_weights, weight_sets
from layerlens.numerics.arrays import Array
from layerlens.numerics.judge import Witness, is_apart, is_hidden_by_scale
from layerlens.numerics.noise_floor import (
    ROUNDOFF64,
    input_scale,
    with_inner_rounding,
    with_relative_ground,
)
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import MINUTE_PROBE, Domain, ProbeBatch, draw_generic, draw_probes
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain import stage
from layerlens.proof.graphs import Unproved
from layerlens.proof.shared_prefix import find_shared_prefix
from layerlens.report.pairs import CertificateRow
from layerlens.vocabulary import Effort, Execution

#: The ways of calling both models in one observation.
DYNAMIC: tuple[Execution, ...] = ("traced_dynamic",)
EVERY: tuple[Execution, ...] = ("traced_dynamic", "eager", "traced")
AS_CALLED: tuple[Execution, ...] = ("traced_dynamic", "eager")


@dataclass
class LengthRecord:
    """The lengths of open axes that were tried."""

    #: The greatest length that is tried for every model with open axes.
    longest: int = 0
    #: The lengths beyond the receptive fields, and those that were not affordable.
    reach: FarLengthPlan = field(default_factory=FarLengthPlan)
    #: The batches of those lengths.
    far_batches: list[ProbeBatch] = field(default_factory=list)


@dataclass
class Examination:
    """One pair in one mode: both models, the weights to run them with, and the observations.

    `probe_plan.examine` fills it.
    """

    reference: Side
    candidate: Side
    transfer: Transfer
    seed: int
    #: The certificate that both are equal, or why there is none; None: it was not looked for.
    proof: CertificateRow | Unproved | None = None
    effort: Effort = "normal"
    observations: list[Observation] = field(default_factory=list)
    sets: tuple[WeightSet, ...] = ()
    domains: tuple[Domain, ...] = ()
    #: The candidate's own weights, before the transfer.
    own: Values = ()
    #: Weights with which recurrent layers have a long memory; used at far lengths only.
    lasting: tuple[WeightSet, ...] = ()
    #: The steps over which eager calls have looped so far.
    _eager_steps: int = 0
    lengths: LengthRecord = field(default_factory=LengthRecord)
    #: Whether an observation shows a real difference, beside which small ones tell nothing.
    _is_apart: bool = False

    def prepare(self, length: int) -> None:
        """Draw the weights once, and set the input domains; `length` is that of open axes."""
        self.domains = fixed_domains(self.models, length)
        if self.sets:
            return
        self.own = tuple(self.candidate.working.values())
        given = self.reference, self.candidate, self.transfer, self.seed
        self.sets = weight_sets(*given)
        self.lasting = lasting_weights(*given)

    @property
    def main(self) -> WeightSet:
        """The weights for most probes: drawn ones, or the initial ones where none are drawn."""
        return self.sets[1] if len(self.sets) > 1 else self.sets[0]

    def __post_init__(self) -> None:
        self.reference.other, self.candidate.other = self.candidate, self.reference
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
        """Run both models on a batch with these weights, and add the observations.

        `outside_allowed` accepts that both models refuse the batch. `chosen` is for a batch that
        was searched for because the outputs differ on it.

        Raises:
            Interrupted: a model refused the batch, or returned an unexpected shape.
        """
        stage.enter(
            f"running both models on probes; they ran on {len(self.observations)} batches so far"
        )
        executions = self._affordable(batch, executions)
        found = self.observer.observe(
            weights, batch, executions, outside_allowed=outside_allowed, chosen=chosen
        )
        if chosen:
            found = tuple(map(self._with_pooled_noise, found))
        if batch.names == (MINUTE_PROBE,):
            found = tuple(map(self._with_relative_noise, found))
        self._is_apart = self._is_apart or any(map(is_apart, found))
        if not self._is_apart and any(map(is_hidden_by_scale, found)):
            found = tuple(self._with_relative_noise(one, beside_inputs=False) for one in found)
        self.observations += found

    def _affordable(
        self, batch: ProbeBatch, executions: Sequence[Execution]
    ) -> Sequence[Execution]:
        """Return the ways of calling, without the eager one where that has looped long enough."""
        if "eager" not in executions or len(executions) < 2 or not self._goes_by_steps:
            return executions
        steps = max((array.shape[1] for array in batch.inputs if array.ndim > 1), default=1)
        if self._eager_steps and self._eager_steps + steps > MAX_EAGER_STEPS:
            return [execution for execution in executions if execution != "eager"]
        self._eager_steps += steps
        return executions

    @cached_property
    def _goes_by_steps(self) -> bool:
        return any(goes_by_steps(layer) for side in self.sides for layer in side.working.layers)

    def _with_relative_noise(
        self, observation: Observation, *, beside_inputs: bool = True
    ) -> Observation:
        """Return an observation of tiny numbers with noise floors relative to their size.

        That is the size of the outputs, and of the inputs unless `beside_inputs` is false.
        """
        if not observation.exact:
            return observation
        inner_rounding = self.inner_rounding(observation)
        if len(inner_rounding) < 2:
            return observation
        noise = []
        for k, floor in enumerate(observation.noise):
            outputs = observation.reference64[k], observation.candidate64[k]
            if outputs[0].dtype.kind == "f":
                inputs = observation.batch.inputs if beside_inputs else ()
                scale = input_scale(inputs, outputs[0]) if inputs else np.zeros(())
                floor = with_relative_ground(floor, outputs, scale)
            noise.append(
                with_inner_rounding(floor, [effect[k] for effect in inner_rounding], ROUNDOFF64)
            )
        return replace(observation, noise=tuple(noise))

    def inner_rounding(
        self, seen: Observation, *, everywhere: bool = False
    ) -> list[tuple[Any, ...]]:
        """Return the effect of rounding inside each model on its outputs, where measurable."""
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

    def _with_pooled_noise(self, chosen: Observation) -> Observation:
        """Return an observation with the pooled noise of all probes with the same weights.

        A few samples of one kind may show too little rounding: next to a large shift, tiny inputs
        vanish.
        """
        same_weights = [o for o in self.observations if o.weights == chosen.weights]
        noise = tuple(
            replace(floor, pooled=max(floor.pooled, *(o.noise[k].pooled for o in same_weights)))
            for k, floor in enumerate(chosen.noise)
        )
        return replace(chosen, noise=noise)

    @cached_property
    def budget(self) -> Budget:
        """What comparing the two may cost."""
        return Budget.of(*self.models, effort=self.effort)

    @property
    def certificate(self) -> CertificateRow | None:
        return self.proof if isinstance(self.proof, CertificateRow) else None

    @property
    def is_identical(self) -> bool:
        """Whether both models are known to be the same computation."""
        return self.certificate is not None and self.certificate.method == "identical"

    @property
    def unproved(self) -> str | None:
        """What kept the pair from being proved equal."""
        return self.proof.reason if isinstance(self.proof, Unproved) else None

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.reference, self.candidate

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
        """The numbers in both models' layers, and in the graphs of those that run user code."""
        sides = self.sides if not self.budget.is_large else ()
        in_graphs = (number for side in sides for number in self._in_graph(side))
        return config_constants(self.models, in_graphs)

    def _in_graph(self, side: Side) -> tuple[float, ...]:
        """Return the numbers in the graph of a model with user code or operations."""
        if not may_hold_constants(side.built):
            return ()
        function = self.traced(side, "working")
        return () if function is None else constants_in_graph(function)

    def traced(self, side: Side, precision: Precision) -> Any | None:
        """Return the concrete function of a model; None where it cannot be traced."""
        runner = side.runner(precision).keras
        if runner is None:
            return None
        try:
            return runner.concrete(self.generic_inputs(), training=side.training)
        except Exception as error:  # the model's refusal of the input is found when it runs
            raise_if_out_of_memory(error, "while a model was traced")
            return None

    def generic_inputs(self) -> tuple[Array, ...]:
        """Return four samples of normal values, at which no layer is at a kink."""
        return draw_generic(self.domains, self.seed + 2, samples=4).inputs

    def scaled_inputs(self, factor: float) -> tuple[Array, ...]:
        """Return the generic inputs with the floating ones multiplied by a factor."""
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
        """Return whether the reference's weights replace weights stored with the candidate."""
        has_stored_weights = self.candidate.built.spec.form in ("file", "object", "python")
        carried = self.sets[0].candidate
        return has_stored_weights and not all(map(np.array_equal, self.own, carried))

    def any_random(self) -> bool:
        return any(self._are_random())

    def weights_of(self, observation: Observation) -> WeightSet:
        sets = (*self.sets, *self.lasting)
        return next(one for one in sets if one.kind == observation.weights)

    def both_random(self, unrepeatable: tuple[bool, bool] = (False, False)) -> bool:
        """Return whether both outputs are random; unrepeatable ones count as random."""
        return all(map(any, zip(self._are_random(), unrepeatable, strict=True)))

    def unrepeatable(self) -> tuple[bool, bool]:
        """Return which models change their result from call to call with seeds and states reset."""
        inputs, seen = self.generic_inputs(), self.observations
        eager = [o for o in seen if o.weights == self.main.kind and o.execution == "eager"]
        one, other = self.main_values()
        return (
            is_unrepeatable(self.reference, one, inputs, [(o.batch, o.reference) for o in eager]),
            is_unrepeatable(self.candidate, other, inputs, [(o.batch, o.candidate) for o in eager]),
        )

    def _are_random(self) -> tuple[bool, bool]:
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
        """Observe the initial weights on the inputs that show a difference with other weights.

        Returns False where that was observed already.
        """
        seen, initial = witness.observation, self.sets[0]
        if any(o.weights == initial.kind and o.batch is seen.batch for o in self.observations):
            return False
        self.observe(initial, seen.batch, (seen.execution,))
        return True

    @property
    def longest_tried(self) -> int:
        """The greatest length of an open axis in the observations."""
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
        """The layers whose receptive field is unknown, where a length is open."""
        if not has_variable_axis(self.reference.built):
            return ()
        return tuple(dict.fromkeys(name for one in self.receptive_fields for name in one.unknown))
