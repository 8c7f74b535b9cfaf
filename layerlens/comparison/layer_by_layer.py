"""Look for a difference between two large models, one layer after another.

What both compute alike from the inputs on is computed once. The rest runs in working precision and
in float64, each float64 layer only as long as it is called. Nothing is traced, so that a difference
shows for about the cost of one call of each model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from layerlens.comparison.budget import Budget
from layerlens.comparison.examination import Examination
from layerlens.comparison.float64_rest import Float64Rest, outputs_of
from layerlens.comparison.probe_plan import telling_batch
from layerlens.comparison.shared_layers import SharedLayers
from layerlens.models.build.constants import without_partners
from layerlens.models.build.session import in_fresh_session
from layerlens.models.execute.input_tensors import tensors_for
from layerlens.models.execute.layer_walk import (
    NoFloat64Error,
    graph_of,
)
from layerlens.models.execute.lengths import goes_by_steps
from layerlens.models.execute.scaled_weights import ScalingCall, draw_weights
from layerlens.models.execute.side import Values
from layerlens.models.execute.variables import (
    as_array,
    assign_array,
    assign_reshaped,
    given_weights,
    weight_variables,
)
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.numerics.arrays import Array, greatest_index
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import Judgement, Witness, judge, real_elements
from layerlens.numerics.noise_floor import (
    ROUNDOFF32,
    ROUNDOFF64,
    NoiseFloor,
    input_scale,
    noise_floor,
    with_inner_rounding,
)
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import ProbeBatch
from layerlens.plain import stage
from layerlens.report.pairs import FirstDivergence
from layerlens.scenario.spec import Tolerance

#: Sets of scaled weights, with the standard deviation of a layer's outputs at least. Few numbers of
#: spread 1 lie beyond 6, where ReLU6 and others are bounded.
SPREADS = {"scaled": 1.0, "scaled_far": 8.0, "passing": 1.0}
#: The set whose layers behind the changed ones pass a difference on. It is observed where the other
#: sets lose one: a signal that runs through hundreds of layers forgets where it began.
PASSING = "passing"
#: Configured numbers up to this may be bounds too.
GREATEST_BOUND = 500.0
#: Probes that make a short counterexample, the simplest first.
_SIMPLE = ("zeros", "token_low", "ones", "repeats", "uniform", "normal")


@dataclass(frozen=True)
class Found:
    """What both models return on a few samples, and the layers in which they begin to differ."""

    observation: Observation
    divergence: FirstDivergence
    #: Whether a layer that only one model has may compute in float32 in the float64 run too.
    is_rounded: bool
    #: Whether more than rounding differs inside the models.
    is_apart_inside: bool

    def judged(self, tolerance: Tolerance | None) -> Judgement:
        """Judge what was observed."""
        return judge([self.observation], tolerance=tolerance, residue=self.is_rounded)

    def simplest(self, witness: Witness) -> Witness:
        """Return a witness in the sample that is the shortest to tell, of those that differ."""
        seen, k = self.observation, witness.output
        differs = real_elements(
            seen.reference64[k], seen.candidate64[k], seen.noise[k], residue=self.is_rounded
        )
        gap = distance(seen.reference64[k], seen.candidate64[k]) * differs
        if not gap.ndim or len(gap) != len(seen.batch.inputs[0]):
            return witness
        for name in _SIMPLE:
            if name not in seen.batch.names:
                continue
            sample = seen.batch.slices[seen.batch.names.index(name)].start
            if gap[sample].any():
                return Witness(seen, k, (sample, *greatest_index(gap[sample])))
        return witness


@dataclass(frozen=True)
class LayerByLayer:
    """Two Functional models in inference, whose layers are called one by one."""

    examination: Examination
    budget: Budget

    @classmethod
    def of(cls, examination: Examination, budget: Budget) -> LayerByLayer | None:
        """Return None where a model has no graph of layers, or takes batches of one size alone."""
        for side in examination.sides:
            runner = side.working.keras
            if runner is None or side.training or graph_of(runner.built.model) is None:
                return None
            if runner.batch_size is not None or any(map(goes_by_steps, runner.layers)):
                return None
        return cls(examination, budget)

    def weight_sets(self, seen: Sequence[Found]) -> Iterator[WeightSet]:
        """Yield the weights to observe: scaled by data if any are free, and the initial ones.

        `seen` has what was found with those before: if all of them lose a difference that they show
        inside the models, there are weights that pass it on.
        """
        initial, *drawn = self.examination.sets
        if drawn:
            for kind in SPREADS:
                if kind != PASSING or any(found.is_apart_inside for found in seen):
                    yield WeightSet(kind, partial(self._scaled, kind))
        yield initial

    def observe(self, weights: WeightSet) -> Found | None:
        """Run both on one batch; None where a layer has no float64 form."""
        stage.enter("comparing the models layer by layer")
        try:
            return in_fresh_session(lambda: self._observed(weights), self.examination.seed)
        except NoFloat64Error:
            return None

    def _scaled(self, kind: str) -> tuple[Values, Values]:
        """Return the scaled weights of both models, which are made again for this."""
        in_fresh_session(lambda: self._set_scaled((), kind), self.examination.seed)
        one, other = (tuple(side.working.values()) for side in self.examination.sides)
        return one, other

    @cached_property
    def batch(self) -> ProbeBatch:
        return telling_batch(self.examination, self.budget.samples)

    # --- one run ------------------------------------------------------------------------------

    @cached_property
    def _layers(self) -> SharedLayers:
        one, other = self.examination.models
        return SharedLayers.of(one, other, self.examination.transfer)

    def _observed(self, weights: WeightSet) -> Found:
        ours, theirs = self._layers.reference, self._layers.candidate
        apart = self._layers.apart
        tails = [(*part.outputs, *apart.tensors(k)) for k, part in enumerate((ours, theirs))]
        wanted = [*ours.starts, *theirs.reference_starts, *tails[0]]
        one = (
            self._set_scaled(wanted, weights.kind)
            if weights.kind in SPREADS
            else self._set(weights, wanted)
        )
        shared = zip(theirs.starts, theirs.reference_starts, strict=True)
        given = {number: one[same] for number, same in shared}
        other = theirs.walk.evaluate(given, tails[1])
        one_side, other_side = self.examination.sides
        rests = (
            Float64Rest(one_side, ours, self._layers.changed(0), {n: one[n] for n in ours.starts}),
            Float64Rest(other_side, theirs, self._layers.changed(1), given),
        )
        working = outputs_of(one_side, ours, one), outputs_of(other_side, theirs, other)
        observation = Observation(
            weights.kind,
            "eager",
            self.batch,
            working[0],
            working[1],
            rests[0].outputs,
            rests[1].outputs,
            self._noise(working, rests),
        )
        is_rounded = any(rest.is_rounded for rest in rests)
        if judge([observation], residue=is_rounded).near_rounding:
            observation = replace(observation, noise=_with_constants(observation.noise, rests))
        return Found(
            observation, apart.row(one, other), is_rounded, apart.has_more_than_rounding(one, other)
        )

    def _noise(
        self, working: Sequence[Sequence[Array]], rests: Sequence[Float64Rest]
    ) -> tuple[NoiseFloor, ...]:
        """Return the noise floor of every output, by the errors that both have in this batch."""
        moved = [rest.inner_rounding() for rest in rests]
        floors = []
        for k, doubles in enumerate(zip(*(rest.outputs for rest in rests), strict=True)):
            unmeasured = np.zeros(doubles[0].shape)
            floor = noise_floor(
                doubles,
                [outputs[k] for outputs in working],
                [unmeasured, unmeasured],
                input_scale(self.batch.inputs, doubles[0]),
            )
            inside = [one[k] for one in moved]
            floor = with_inner_rounding(floor, inside, ROUNDOFF64)
            in_working = floor.working + ROUNDOFF32 * np.sum(inside, axis=0)
            floors.append(replace(floor, working=in_working))
        return tuple(floors)

    def _set(self, weights: WeightSet, wanted: Sequence[int]) -> dict[int, Any]:
        """Set the weights of both models, and return the wanted tensors of the reference."""
        for side, values in zip(
            self.examination.sides, (weights.reference, weights.candidate), strict=True
        ):
            side.hold(values, "working")
        return self._layers.reference.walk.evaluate(self._inputs, wanted)

    def _set_scaled(self, wanted: Sequence[int], kind: str) -> dict[int, Any]:
        """Do the same with weights that are scaled by the data."""
        ours, theirs = self._layers.reference, self._layers.candidate
        weights, seed = weight_variables(ours.built), self.examination.seed
        kept = given_weights(ours.built)
        slots = self.examination.reference.working.slots()
        draw_weights(weights, slots, kept=kept, seed=seed)
        passing = self._layers.behind_changes if kind == PASSING else ()
        call = ScalingCall(
            seed, {id(weights[position]) for position in kept}, self._spread(kind), passing
        )
        values = ours.walk.evaluate(self._inputs, [*ours.outputs, *wanted], call)
        self._carry(weights, weight_variables(theirs.built))
        for side in self.examination.sides:
            side.forget()
        return values

    def _spread(self, kind: str) -> float:
        bounds = [2.0 * abs(n) for n in self.examination.constants if abs(n) <= GREATEST_BOUND]
        return max([SPREADS[kind], *bounds]) if kind == "scaled_far" else SPREADS[kind]

    @property
    def _inputs(self) -> dict[int, Any]:
        part = self._layers.reference
        tensors = tensors_for(part.built.model, self.batch.inputs)
        return dict(zip(map(id, part.walk.graph.inputs), tensors, strict=True))

    def _carry(self, weights: Sequence[Any], into: Sequence[Any]) -> None:
        """Give the candidate the weights of the reference."""
        transfer = self.examination.transfer
        if not transfer.candidate:
            return
        kept = given_weights(self._layers.candidate.built)
        for pairing in transfer.pairings:
            if pairing.candidate in kept:
                continue
            target = into[pairing.candidate]
            if pairing.has_same_values:
                assign_reshaped(target, weights[pairing.sources[0]])
            else:
                taken = {source: as_array(weights[source]) for source in pairing.sources}
                assign_array(target, pairing.made_from(taken))


def _with_constants(
    floors: Sequence[NoiseFloor], rests: Sequence[Float64Rest]
) -> tuple[NoiseFloor, ...]:
    """Return the floors with the effect of constants that only one of the models rounds."""
    sides = without_partners(*(rest.numbers for rest in rests))
    effects = [rest.effect_of(own) for rest, own in zip(rests, sides, strict=True) if own]
    return tuple(
        replace(floor, constants=sum((one[k] for one in effects), np.zeros(())))
        for k, floor in enumerate(floors)
    )
