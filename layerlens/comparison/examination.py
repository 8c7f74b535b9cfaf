"""Collect the evidence on a pair: probes, kinds of weights and ways of calling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.comparison.coverage import unseen, unseen_far
from layerlens.comparison.observer import Interrupted, Observer
from layerlens.comparison.randomness import is_random, is_restless
from layerlens.errors import MemoryLimitError
from layerlens.models.build.constants import as_float32, grouped, moving, one_sided
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import (
    BASE_LENGTHS,
    COMBINATIONS,
    config_constants,
    counts,
    fixed_domains,
    has_variable_axis,
    mask_values,
    written_numbers,
)
from layerlens.models.execute.lengths import (
    BEYOND,
    MOST_EAGER,
    FarLengths,
    Lengths,
    Reach,
    affordable,
    far_lengths,
    is_stepwise,
)
from layerlens.models.execute.receptive_field import ReceptiveField, receptive_field
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.weight_sets import WeightSet, lasting_weights, moderate, weight_sets
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.models.inspect.shapes import flat_shapes
from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import distance
from layerlens.numerics.dtype_range import (
    HALF,
    RangeSuspect,
    out_of_range_text,
    overflows,
    range_suspects,
    without_out_of_range,
)
from layerlens.numerics.far_probes import far_probes
from layerlens.numerics.judge import Witness, changes_with_execution, is_rounding, judge
from layerlens.numerics.noise_floor import (
    ROUNDOFF64,
    NoiseFloor,
    input_scale,
    with_inner_rounding,
    with_relative_ground,
)
from layerlens.numerics.observation import Evidence, Observation
from layerlens.numerics.probes import (
    EXTREME,
    MINUTE_PROBE,
    Domain,
    Probe,
    ProbeBatch,
    all_values_probe,
    draw_probes,
    generator,
    join,
    user_probe,
)
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.shared_prefix import find_shared_prefix
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.slices import parse_select
from layerlens.vocabulary import Execution

DYNAMIC: tuple[Execution, ...] = ("traced_dynamic",)
EVERY: tuple[Execution, ...] = ("traced_dynamic", "eager", "traced")
AS_CALLED: tuple[Execution, ...] = ("traced_dynamic", "eager")
#: The greatest length at which all kinds of probes are tried, where a model takes no shorter one.
LONGEST_BASE = 8192


#: How many constants that only one model has are moved one by one.
MOST_MOVED = 6


@dataclass(frozen=True, slots=True)
class RoundedConstants:
    """A model's float64 outputs with its constants as float32 holds them.

    `effects` is how far each output moves, over all constants that only this model has, when one
    moves by a unit of float32. `measured` is False where its constants need no rounding.
    """

    outputs: tuple[Array, ...]
    effects: tuple[Any, ...]
    measured: bool


@dataclass
class Examination:
    """The work on one pair in one mode; `run` gives what was seen."""

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
    #: The greatest length that is tried of any model with open axes.
    longest: int = 0
    #: What was tried beyond all that the layers look across, and what was not affordable.
    reach: Reach = field(default_factory=Reach)
    far_batches: list[ProbeBatch] = field(default_factory=list)

    @property
    def main(self) -> WeightSet:
        """The weights that most probes meet: drawn ones, or the initial where none are drawn."""
        return self.sets[1] if len(self.sets) > 1 else self.sets[0]

    def __post_init__(self) -> None:
        shared = find_shared_prefix(self.reference, self.candidate, self.transfer)
        self.observer = Observer(self.reference, self.candidate, self.seed, first_part=shared)

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
        inner = self._inner_rounding(minute)
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

    def _inner_rounding(
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

    def run(self) -> Evidence:
        try:
            self._observe_all()
        except Interrupted as stop:
            return Evidence(
                tuple(self.observations), refusal=stop.refusal, shape_surprise=stop.surprise
            )
        return Evidence(tuple(self.observations))

    # --- the plan ---------------------------------------------------------------------------

    def _observe_all(self) -> None:
        base = self._base_length()
        self.domains = domains = fixed_domains(self._built(), base)
        self.own = tuple(self.candidate.working.values())
        self.sets = sets = weight_sets(self.reference, self.candidate, self.transfer, self.seed)
        self.lasting = lasting_weights(self.reference, self.candidate, self.transfer, self.seed)
        main = self.main
        given = user_probe(domains)
        if given is not None:
            self.observe(sets[0], join([given]), self._executions())
        batches = list(self._batches(domains))
        for batch in batches:
            self.observe(main, batch, self._executions())
            if main is not sets[0]:
                self.observe(sets[0], batch, DYNAMIC)
        if judge(self.observations).verdict == "equivalent":
            self.find_certificate()
        if self.certificate is None:  # a certificate speaks for all weights; without, more are met
            for batch in batches:
                for other in sets[2:]:
                    self.observe(other, batch, DYNAMIC)
        self._observe_among_others(main, domains)
        every = all_values_probe(domains)
        if every is not None:
            self.observe(main, join([every]), DYNAMIC)
        self._observe_batch_sizes(main, domains)
        if has_variable_axis(self.reference.built):
            self._observe_lengths_or_refusal(main, base)

    def find_certificate(self) -> CertificateRow | None:
        """Look for a certificate, once, where nothing observed so far speaks against one."""
        if self.certify is not None:
            self.certificate = self.certify()
            self.certify = None
        return self.certificate

    def _batches(self, domains: Sequence[Domain]) -> Iterator[ProbeBatch]:
        """Yield the probes as one batch; each alone where samples share statistics or are chosen.

        In training they share statistics, and a slice may choose among them.
        """
        probes = self._probes(domains)
        if not self.reference.training and not self._chooses_samples():
            # Beside numbers near the end of the range all else would be taken for rounding.
            yield join([probe for probe in probes if probe.name not in EXTREME])
            yield from (join([probe]) for probe in probes if probe.name in EXTREME)
            return
        chosen = ("normal", "uniform", "large", "padded_end", "ties", "random", "zero_end")
        for probe in probes:
            if probe.name in (*chosen, *EXTREME) or not self.reference.training:
                yield join([probe])

    def _probes(self, domains: Sequence[Domain]) -> tuple[Probe, ...]:
        built = self._built()
        samples = 6 if self.reference.training else 2
        return (
            *draw_probes(domains, self.seed, samples=samples, constants=config_constants(built)),
            *_masked_probes(domains, mask_values(built), self.seed, samples),
        )

    def _observe_among_others(self, weights: WeightSet, domains: Sequence[Domain]) -> None:
        """All probes in one batch where they were alone, and alone where neighbours matter.

        In training most are too many to be observed alone. Beside large samples small ones may
        show nothing, if what a layer does depends on all of its batch.
        """
        if self.reference.training:
            if not self._chooses_samples():
                self.observe(weights, join(self._probes(domains)), DYNAMIC)
            return
        seen = max(
            (o for o in self.observations if o.weights == weights.kind),
            key=lambda o: len(o.batch.inputs[0]),
        )
        if self.observer.depends_on_neighbours(weights, seen):
            for probe in self._probes(domains):
                for one in {id(one): one for one in (weights, self.sets[0])}.values():
                    self.observe(one, join([probe]), DYNAMIC)

    def _chooses_samples(self) -> bool:
        """Tell whether a slice takes only some samples of a batch: the others would not count."""
        selects = (built.spec.select for built in self._built())
        first = [parse_select(text)[0] for text in selects if text is not None]
        return any(index not in (slice(None), Ellipsis) for index in first)

    def _observe_batch_sizes(self, weights: WeightSet, domains: Sequence[Domain]) -> None:
        """A batch of one, of three, and of as many samples as an axis is long."""
        probe = next(iter(draw_probes(domains, self.seed + 1, samples=3)))
        if probe.samples < 3 or getattr(self.reference.built, "batch_size", None):
            return
        for batch in (1, 3, *self._axis_lengths(), *counts(self._built())):
            rows = np.arange(batch) % probe.samples
            part = Probe(f"{probe.name} (batch {batch})", tuple(a[rows] for a in probe.inputs))
            self.observe(weights, join([part]), AS_CALLED if self._merges() else DYNAMIC)

    def _executions(self) -> tuple[Execution, ...]:
        """Return the ways of calling to try on the main probes.

        Known shapes are what an eager call has, and tracing is what unknown shapes go through:
        Keras' own layers on fixed shapes have no third way left to differ in.
        """
        own = all(name.startswith("keras.") for name in self._modules())
        return AS_CALLED if own and not has_variable_axis(self.reference.built) else EVERY

    def _merges(self) -> bool:
        """Tell whether a layer broadcasts several inputs, or is not one of Keras' own."""
        return any(".merging." in name or not name.startswith("keras.") for name in self._modules())

    def _modules(self) -> set[str]:
        return {
            type(layer).__module__ for built in self._built() for layer in flat_layers(built.model)
        }

    def _axis_lengths(self) -> tuple[int, ...]:
        """Return lengths of axes that a batch of the same size could be mistaken for."""
        shapes = [self.reference.built.report.output_shape, self.reference.built.report.input_shape]
        lengths = {
            n for shape in flat_shapes(shapes) for n in shape[1:] if n is not None and 3 < n <= 64
        }
        return tuple(sorted(lengths)[:4])

    def _observe_lengths_or_refusal(self, weights: WeightSet, base: int) -> None:
        """Observe other lengths; one that is too short for a model decides only if all agrees."""
        try:
            self._observe_lengths(weights, base)
        except Interrupted as stop:
            seen = judge(self.observations, steady=True)
            if stop.refusal is None or seen.verdict != "different":
                raise

    def _observe_lengths(self, weights: WeightSet, base: int) -> None:
        """Other lengths through the one trace with unknown axes, as `predict` and `fit` have it.

        Where layers look across more steps than those have, others are beyond what they reach.
        """
        built = self._built()
        self.longest = max(base, *(length for _, length in COMBINATIONS))
        self.reach = far_lengths(self._fields, self.longest)
        for far in self.reach.tries:
            self._observe_far(weights, far)
        further = [
            (2, n) for n in counts(built) if affordable(self._fields, dict.fromkeys(self._axes, n))
        ]
        for batch, length in (*further, *COMBINATIONS):
            self._observe_length(weights, batch, length)

    def _observe_length(self, weights: WeightSet, batch: int, length: int) -> None:
        domains = fixed_domains(self._built(), length)
        drawn = draw_probes(domains, self.seed + length, samples=batch)
        probe = next((p for p in drawn if p.name in ("padded_end", "zero_end")), drawn[0])
        arrays = tuple(array[:batch] for array in probe.inputs)
        name = f"{probe.name} (batch {batch}, length {length})"
        executions = AS_CALLED if length <= MOST_EAGER or not self._is_stepwise else DYNAMIC
        self.observe(weights, join([Probe(name, arrays)]), executions, outside_allowed=True)

    def _observe_far(self, weights: WeightSet, far: FarLengths) -> None:
        """Observe a length beyond what the layers look across, or what both take instead."""
        # Both may refuse unlike axes, or more steps than a position has an embedding for.
        for lengths in _fallbacks(far.lengths):
            if not affordable(self._fields, lengths):
                continue
            before = len(self.observations)
            try:
                self._observe_far_probes(weights, far, lengths)
            except MemoryLimitError:  # there was less than was reckoned with
                spans = {axis: n - BEYOND for axis, n in far.lengths.items() if n > self.longest}
                self.reach = replace(self.reach, shortfall=spans)
            if len(self.observations) > before:
                self.far_batches.append(self.observations[before].batch)
                return

    def _observe_far_probes(self, weights: WeightSet, far: FarLengths, lengths: Lengths) -> None:
        longest = max(lengths.values())
        executions = DYNAMIC if far.is_stepwise and longest > MOST_EAGER else AS_CALLED
        axes = [axis for axis, length in lengths.items() if length == longest]
        domains = fixed_domains(self._built(), longest, lengths)
        probes = islice(far_probes(domains, axes, self.seed), far.kinds)
        while some := list(islice(probes, far.samples)):
            batch = join([_at_length(probe, longest) for probe in some])
            before = len(self.observations)
            for one in (weights, *self.lasting):
                self.observe(one, batch, executions, outside_allowed=True)
            if len(self.observations) == before:
                return  # too long, or too short, for both

    def _base_length(self) -> int:
        """Return the first length that both models take where an axis is variable.

        Where there is none, the first that the reference takes.
        """
        lengths = list(BASE_LENGTHS)
        if not has_variable_axis(self.reference.built):
            return lengths[0]
        least = max(one.span for one in self._fields)
        if lengths[0] < least <= LONGEST_BASE:
            lengths += [least, least + 1]
        first = None
        for length in lengths:
            if self._takes(self.reference, length):
                first = first or length
                if self._takes(self.candidate, length):
                    return length
        return first or lengths[0]

    def _takes(self, side: Side, length: int) -> bool:
        """Tell whether a model makes something of inputs of this length."""
        probe = draw_probes(fixed_domains(self._built(), length), self.seed, samples=1)[0]
        outcome = side.run(tuple(side.working.values()), probe.inputs, "working", "eager")
        return outcome.error is None and all(output.size for output in outcome.outputs)

    def _built(self) -> tuple[Built, Built]:
        return (self.reference.built, self.candidate.built)

    @cached_property
    def _fields(self) -> tuple[ReceptiveField, ReceptiveField]:
        return receptive_field(self.reference.built), receptive_field(self.candidate.built)

    @property
    def _axes(self) -> set[int]:
        """The open axes of the inputs, the batch axis counted."""
        return {axis for one in self._fields for axis in one.spans}

    @property
    def _is_stepwise(self) -> bool:
        return any(map(is_stepwise, self._fields))

    # --- what deciding asks for -------------------------------------------------------------

    def main_values(self) -> tuple[Values, Values]:
        return self.main.reference, self.main.candidate

    def constants(self) -> tuple[float, ...]:
        return config_constants(self._built())

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

    def confirms(self, witness: Witness) -> bool:
        """Tell whether a model really strays from itself: float64 has to show it as well.

        Two executions round differently, and an ill-conditioned input makes that large; a result
        that the way of calling changes is changed in every precision.
        """
        seen = witness.observation
        side = self.reference if witness.inconsistent == "reference" else self.candidate
        weights = self.weights_of(seen)
        values = weights.reference if side is self.reference else weights.candidate
        again = side.run(values, seen.batch.inputs, "float64", seen.execution)
        base = seen.reference64 if side is self.reference else seen.candidate64
        if again.error is not None or again.shapes != tuple(array.shape for array in base):
            return True
        working = seen.reference if side is self.reference else seen.candidate

        def strays(noises: Sequence[NoiseFloor]) -> bool:
            return any(
                bool(changes_with_execution(base[k], again.outputs[k], working[k], noise).any())
                for k, noise in enumerate(noises)
            )

        if not strays(seen.noise):
            return False
        # A graph may leave out two steps that cancel, and with them all that they round.
        inner = side.inner_rounding(values, seen.batch.inputs, base)
        if inner is None:
            return True
        unit = self.observer.inner_unit
        return strays([with_inner_rounding(n, [inner[k]], unit) for k, n in enumerate(seen.noise)])

    def measure_inner_rounding(self) -> bool:
        """Add to the noise floors what rounding inside the models leaves, where they part.

        Returns False where nothing was measured. Inputs and weights alone do not tell of it: a
        number that is added and taken off again leaves its own rounding behind.
        """
        apart = [at for at, seen in enumerate(self.observations) if not is_rounding(seen)]
        return True in [self._add_inner_rounding(at) for at in apart]

    def may_absorb(self, witness: Witness) -> bool:
        """Tell whether a model may add a number to a value so small that float32 loses it there.

        Compares the smallest number that enters, at the witness or as a constant, with the
        greatest one.
        """
        seen, sample = witness.observation, witness.sample
        entering = [array[sample : sample + 1] for array in seen.batch.inputs]
        held = self.weights_of(seen)
        constants = np.array([1.0, *self.constants()])
        small = min(map(_least_size, (constants, *entering)))
        large = max(map(_greatest_size, (constants, *entering, *held.reference, *held.candidate)))
        return large >= 2.0**24 * small

    def measure_inner_rounding_of(self, observation: Observation) -> bool:
        """Do the same for one observation; False where it was done before."""
        key = observation.weights, observation.execution, id(observation.batch)
        same = [
            at
            for at, seen in enumerate(self.observations)
            if (seen.weights, seen.execution, id(seen.batch)) == key
        ]
        return True in [self._add_inner_rounding(at) for at in same]

    def _add_inner_rounding(self, position: int) -> bool:
        """Measure one observation, unless that was done or cannot be: then return False."""
        seen = self.observations[position]
        if any(np.ndim(floor.inner) for floor in seen.noise):
            return False
        inner = self._inner_rounding(seen)
        if not inner:
            return False
        noise = tuple(
            with_inner_rounding(floor, [effect[k] for effect in inner], self.observer.inner_unit)
            for k, floor in enumerate(seen.noise)
        )
        self.observations[position] = replace(seen, noise=noise)
        return True

    def within_range(self) -> list[Observation]:
        """Return the observations without what half precision cannot hold and need not."""
        return [without_out_of_range(one, self._dtypes) for one in self.observations]

    @property
    def _dtypes(self) -> tuple[str, str]:
        return self.reference.coarsest_dtype, self.candidate.coarsest_dtype

    def leaving_range(self) -> tuple[Witness, str] | None:
        """Return where half precision leaves its range in one model, and in words how.

        Only where the two agree in float64: what differs there is no matter of the dtype.
        """
        if not any(dtype in HALF for dtype in self._dtypes) or self.observer.is_random:
            return None
        for seen in self.observations:
            # The least that rounding can leave: where even that explains all, nothing is measured.
            still = [np.zeros(output.shape) for output in seen.reference64]
            if not any(range_suspects(seen, self._dtypes, still)):
                continue
            inner = self._inner_rounding(seen, everywhere=True) if seen.exact else []
            moved = [np.sum(each, axis=0) for each in zip(*inner, strict=True)] if inner else None
            for suspect in range_suspects(seen, self._dtypes, moved):
                told = self._out_of_range(suspect)
                if told is not None:
                    return suspect.witness, told
        return None

    def _out_of_range(self, suspect: RangeSuspect) -> str | None:
        """Say which model left its range at a place; None if none did: rounding is all there is."""
        witness, seen = suspect.witness, suspect.witness.observation
        k, at = witness.output, witness.index
        weights = self.weights_of(seen)
        one = seen.reference[k][at], seen.reference64[k][at]
        other = seen.candidate[k][at], seen.candidate64[k][at]
        sides = [
            (self.reference, self.candidate, weights.reference, one, other),
            (self.candidate, self.reference, weights.candidate, other, one),
        ]
        # The one that is further from its own float64 result first.
        sides.sort(key=lambda each: -float(distance(*map(np.asarray, each[3]))))
        few = [array[[witness.sample]] for array in seen.batch.inputs]
        for side, beside, values, own, others in sides:
            if side.coarsest_dtype not in HALF:
                continue
            lost = suspect.certain and not np.isfinite(own[0])
            if lost or (not suspect.certain and side.leaves_range(values, few)):
                shown = float(own[0]), float(others[0])
                return out_of_range_text(
                    side.coarsest_dtype, name=side.name, other=beside.name, values=shown
                )
        return None

    def overflows(self) -> bool:
        """Tell whether one model alone overflows on inputs of ordinary size."""
        return not self.observer.is_random and overflows(self.observations)

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
        return tuple(dict.fromkeys(name for one in self._fields for name in one.unknown))

    def measure_constants(self) -> bool:
        """Look at what is left where every number in the configurations is as float32 holds it.

        Layers that round their constants to float32 then compute the same as those that do not. A
        constant that only one model has may be rounded from another number, as a tenth of a fifth
        is from a fiftieth: what moving it by a unit of float32 changes is added to the floors.
        Returns False where neither model could be built with other constants.
        """
        sides = (self.reference, self.candidate)
        if not all(side.is_exact for side in sides):
            return False
        measured = False
        for position, seen in enumerate(self.observations):
            if is_rounding(seen):
                continue
            weights = self.weights_of(seen)
            found = [
                self._with_rounded_constants(side, values, seen.batch.inputs, base)
                for side, values, base in (
                    (self.reference, weights.reference, seen.reference64),
                    (self.candidate, weights.candidate, seen.candidate64),
                )
            ]
            if not any(one.measured for one in found):
                continue
            measured = True
            ours, theirs = found
            noise = tuple(
                replace(floor, constants=ours.effects[k] + theirs.effects[k])
                for k, floor in enumerate(seen.noise)
            )
            self.observations[position] = replace(
                seen, reference64=ours.outputs, candidate64=theirs.outputs, noise=noise
            )
        return measured

    def _with_rounded_constants(
        self, side: Side, values: Values, inputs: Sequence[Array], base: tuple[Array, ...]
    ) -> RoundedConstants:
        effects: list[Any] = [np.zeros(output.shape) for output in base]
        rounded = side.run_with_numbers("rounded", as_float32, values, inputs, base)
        outputs = base if rounded is None else rounded
        own = self._one_sided[0 if side is self.reference else 1]
        for moved in grouped(own, MOST_MOVED):
            changed = side.run_with_numbers(moved, moving(moved), values, inputs, base)
            if changed is None:
                continue
            for k, (one, other) in enumerate(zip(outputs, changed, strict=True)):
                gap = distance(one, other)
                effects[k] = effects[k] + np.where(np.isfinite(gap), gap, 0.0)
        return RoundedConstants(outputs, tuple(effects), rounded is not None)

    @cached_property
    def _one_sided(self) -> tuple[frozenset[float], frozenset[float]]:
        return one_sided(self.reference.built, self.candidate.built)

    def float32_residue(self) -> bool:
        """Tell whether float32 is at work in a float64 form, other than alike in both.

        Constants are looked at as float32 holds them, where the model could be built so: that was
        done, and leaves no residue.
        """
        inputs = self.generic_inputs()
        constants, computed = [], False
        for side in (self.reference, self.candidate):
            runner = side.with_changed_numbers("rounded", as_float32) or side.float64
            residue = runner.float32_residue(inputs, written_numbers(runner.built))
            constants.append(residue.constants)
            computed = computed or residue.computed
        return computed or constants[0] != constants[1]

    def unseen(self) -> tuple[str, ...]:
        """Return what no probe would have noticed, in the order of the models."""
        batch = next(o.batch for o in self.observations if o.weights == self.main.kind)
        drawn = moderate(self.sets)
        found: list[str] = []
        for side, values in (
            (self.reference, [one.reference for one in drawn]),
            (self.candidate, [one.candidate for one in drawn]),
        ):
            found += unseen(side, values, batch.inputs, self.seed)
            found += self._unseen_far(side, values[:1])
        return tuple(dict.fromkeys(found))

    def _unseen_far(self, side: Side, sets: Sequence[Values]) -> Iterator[str]:
        """Yield what a model has whose far steps were not at work at any length."""
        seen = [o.batch for o in self.observations if o.weights == self.main.kind]
        batches = self.far_batches or [max(seen, key=lambda batch: batch.inputs[0].shape[1:])]
        inputs = [batch.inputs for batch in batches]
        tried = {
            axis: max(array.shape[axis] for one in inputs for array in one if array.ndim > axis)
            for axis in self.reach.shortfall
        }
        return unseen_far(side, sets, inputs, tried, self.longest, self.seed)


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


def _least_size(array: Array) -> float:
    """Return the least size of the numbers in an array, zeros left out; 1 where there is none."""
    sizes = _sizes(array)
    return float(np.min(sizes, where=sizes > 0, initial=1.0))


def _greatest_size(array: Array) -> float:
    return float(np.max(_sizes(array), initial=0.0))


def _sizes(array: Array) -> NDArray[np.float64]:
    if array.dtype.kind not in "fiu":
        return np.zeros(0)
    sizes = np.abs(array.astype(np.float64))
    return sizes[np.isfinite(sizes)]
