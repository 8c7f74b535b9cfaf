"""A pair of sides becomes evidence: every probe, with every kind of weights, in every execution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from layerlens.building import Built
from layerlens.comparing import coarse, noise_floor
from layerlens.domains import (
    BASE_LENGTHS,
    COMBINATIONS,
    config_constants,
    fixed_domains,
    flat_layers,
    has_variable_axis,
    mask_values,
)
from layerlens.evidence import Evidence, Observation, Refusal, ShapeSurprise
from layerlens.judging import Witness, real_elements
from layerlens.measuring import Outcome
from layerlens.probes import (
    Array,
    Domain,
    Probe,
    ProbeBatch,
    all_values_probe,
    draw_probes,
    draw_weight,
    generator,
    join,
    user_probe,
)
from layerlens.randomness import is_random, is_restless
from layerlens.report import Execution
from layerlens.seeing import unseen
from layerlens.select import parse_select
from layerlens.sides import Precision, Side, Values
from layerlens.transfer import Transfer

DYNAMIC: tuple[Execution, ...] = ("traced_dynamic",)
EVERY: tuple[Execution, ...] = ("traced_dynamic", "eager", "traced")
AS_CALLED: tuple[Execution, ...] = ("traced_dynamic", "eager")


@dataclass(frozen=True, slots=True)
class WeightSet:
    """One choice of weights for both models: the reference's, and the same carried over."""

    kind: str
    reference: Values
    candidate: Values


class Interrupted(Exception):  # noqa: N818 (no fault: what stopped it is the finding)
    """Ends the examination early: what stopped it decides the verdict."""

    def __init__(self, refusal: Refusal | None = None, surprise: ShapeSurprise | None = None):
        super().__init__()
        self.refusal = refusal
        self.surprise = surprise


@dataclass
class Examination:
    """The work on one pair in one mode; `run` gives what was seen."""

    reference: Side
    candidate: Side
    transfer: Transfer
    seed: int
    observations: list[Observation] = field(default_factory=list)
    sets: tuple[WeightSet, ...] = ()
    domains: tuple[Domain, ...] = ()
    #: The candidate's own weights, before the reference's are carried over.
    own: Values = ()

    @property
    def main(self) -> WeightSet:
        """The weights that most probes meet: drawn ones, or the initial where none are drawn."""
        return self.sets[1] if len(self.sets) > 1 else self.sets[0]

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
        self.domains = domains = fixed_domains(self._built(), self._base_length())
        self.sets = sets = tuple(self.weight_sets())
        main = self.main
        given = user_probe(domains)
        if given is not None:
            self.observe(sets[0], join([given]), self._executions())
        for batch in self._batches(domains):
            self.observe(main, batch, self._executions())
            for other in sets:
                if other is not main:
                    self.observe(other, batch, DYNAMIC)
        every = all_values_probe(domains)
        if every is not None:
            self.observe(main, join([every]), DYNAMIC)
        self._observe_batch_sizes(main, domains)
        if has_variable_axis(self.reference.built):
            self._observe_lengths(main)

    def _batches(self, domains: Sequence[Domain]) -> Iterator[ProbeBatch]:
        """Yield the probes as one batch; each alone where samples share statistics or are chosen.

        In training they share statistics, and a slice may choose among them.
        """
        built = self._built()
        samples = 6 if self.reference.training else 2
        probes = [
            *draw_probes(domains, self.seed, samples=samples, constants=config_constants(built)),
            *_masked_probes(domains, mask_values(built), self.seed, samples),
        ]
        if not self.reference.training and not self._chooses_samples():
            yield join(probes)
            return
        chosen = ("normal", "uniform", "large", "padded_end", "ties", "random", "zero_end")
        for probe in probes:
            if probe.name in chosen or not self.reference.training:
                yield join([probe])

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
        for batch in (1, 3, *self._axis_lengths()):
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
            n for shape in keras_shapes(shapes) for n in shape[1:] if n is not None and 3 < n <= 64
        }
        return tuple(sorted(lengths)[:4])

    def _observe_lengths(self, weights: WeightSet) -> None:
        """Other lengths through the one trace with unknown axes, as `predict` and `fit` have it."""
        for batch, length in COMBINATIONS:
            domains = fixed_domains(self._built(), length)
            drawn = draw_probes(domains, self.seed + length, samples=batch)
            probe = next((p for p in drawn if p.name in ("padded_end", "zero_end")), drawn[0])
            arrays = tuple(array[:batch] for array in probe.inputs)
            name = f"{probe.name} (batch {batch}, length {length})"
            self.observe(weights, join([Probe(name, arrays)]), AS_CALLED, outside_allowed=True)

    def _base_length(self) -> int:
        """Return the first length that the reference takes where an axis is variable."""
        if not has_variable_axis(self.reference.built):
            return BASE_LENGTHS[0]
        values = tuple(self.reference.working.values())
        for length in BASE_LENGTHS:
            probe = draw_probes(fixed_domains(self._built(), length), self.seed, samples=1)[0]
            outcome = self.reference.run(values, probe.inputs, "working", "eager")
            if outcome.error is None:
                return length
        return BASE_LENGTHS[0]

    def _built(self) -> tuple[Built, Built]:
        return (self.reference.built, self.candidate.built)

    # --- what deciding asks for -------------------------------------------------------------

    def main_values(self) -> tuple[Values, Values]:
        return self.main.reference, self.main.candidate

    def constants(self) -> tuple[float, ...]:
        return config_constants(self._built())

    def generic_inputs(self) -> tuple[Array, ...]:
        """Four samples of plain values, where no layer is at a kink."""
        return draw_probes(self.domains, self.seed + 2, samples=4)[0].inputs

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
        return next(one for one in self.sets if one.kind == observation.weights)

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
        if not self._random:
            return False, False
        inputs = self.generic_inputs()
        one, other = (
            is_random(side, values, inputs)
            for side, values in zip(
                (self.reference, self.candidate), self.main_values(), strict=True
            )
        )
        return one, other

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
        return any(
            bool(real_elements(one, other, noise, residue=False).any())
            for one, other, noise in zip(base, again.outputs, seen.noise, strict=True)
        )

    def measure_constants(self) -> bool:
        """Add to every noise floor what rounding the layers' constants to float32 may change.

        Returns False where neither model could be built with other constants.
        """
        measured = False
        for position, seen in enumerate(self.observations):
            weights = self.weights_of(seen)
            effects = [
                effect
                for side, values, base in (
                    (self.reference, weights.reference, seen.reference64),
                    (self.candidate, weights.candidate, seen.candidate64),
                )
                if (effect := side.constants_effect(values, seen.batch.inputs, base)) is not None
            ]
            if not effects:
                continue
            measured = True
            noise = tuple(
                replace(floor, constants=np.sum([effect[k] for effect in effects], axis=0))
                for k, floor in enumerate(seen.noise)
            )
            self.observations[position] = replace(seen, noise=noise)
        return measured

    def float32_residue(self) -> tuple[str, ...]:
        inputs = self.generic_inputs()
        return (
            *self.reference.float64.float32_residue(inputs),
            *self.candidate.float64.float32_residue(inputs),
        )

    def unseen(self) -> tuple[str, ...]:
        """Return what no probe would have noticed, in the order of the models."""
        batch = next(o.batch for o in self.observations if o.weights == self.main.kind)
        drawn = self.sets[1:] or self.sets
        found = (
            *unseen(self.reference, [w.reference for w in drawn], batch.inputs, self.seed),
            *unseen(self.candidate, [w.candidate for w in drawn], batch.inputs, self.seed),
        )
        return tuple(dict.fromkeys(found))

    # --- weights ----------------------------------------------------------------------------

    def weight_sets(self) -> list[WeightSet]:
        """Return the initial weights, and drawn ones where there is something to draw."""
        own = self.own = tuple(self.candidate.working.values())
        initial = tuple(self.reference.working.values())
        sets = [self._carried("initial", initial, own)]
        slots = self.reference.working.slots()
        pinned = self._pinned(self.reference)
        free = [s.path not in pinned and s.dtype.startswith(("float", "bfloat")) for s in slots]
        if self.transfer.method == "none" or not any(free):
            return sets
        narrow = self._narrowest()
        kinds = ["drawn", "gentle", "strong"]
        if any("variance" in slot.path for slot in slots):
            kinds.append("degenerate")
        for kind in kinds:
            values = tuple(
                _rounded(draw_weight(slot, value, kind, self._rng(kind, position)), narrow)
                if drawn
                else value
                for position, (slot, value, drawn) in enumerate(
                    zip(slots, initial, free, strict=True)
                )
            )
            sets.append(self._carried(kind, values, own))
        return sets

    def _carried(self, kind: str, values: Values, own: Values) -> WeightSet:
        pinned = self._pinned(self.candidate)
        carried = self.transfer.carry(values, own)
        kept = (
            [
                mine if row.path in pinned else value
                for row, mine, value in zip(self.transfer.candidate, own, carried, strict=True)
            ]
            if self.transfer.candidate
            else list(own)
        )
        return WeightSet(kind, values, tuple(kept))

    def _pinned(self, side: Side) -> frozenset[str]:
        """Return the weights whose values the scenario itself gives: they stay as they are."""
        keys = side.built.spec.weights
        paths = (slot.path for slot in side.working.slots())
        return frozenset(
            path for path in paths if any(path == key or path.endswith(f"/{key}") for key in keys)
        )

    def _narrowest(self) -> str:
        dtypes = {
            slot.dtype for side in (self.reference, self.candidate) for slot in side.working.slots()
        }
        return next((d for d in ("bfloat16", "float16") if d in dtypes), "float32")

    def _rng(self, *labels: object) -> np.random.Generator:
        return generator(self.seed, "weights", *labels)

    # --- one observation ----------------------------------------------------------------------

    def observe(
        self,
        weights: WeightSet,
        batch: ProbeBatch,
        executions: Sequence[Execution],
        *,
        outside_allowed: bool = False,
        chosen: bool = False,
        seed: int | None = None,
    ) -> None:
        """Run both models.

        `outside_allowed` skips lengths that are too short for both; `chosen` is for samples that
        were sought out for their difference.
        """
        runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]] = {}
        wanted: list[tuple[Precision, Execution]] = [("float64", "traced_dynamic")]
        wanted += [("working", execution) for execution in executions]
        for precision, execution in wanted:
            pair = (
                self.reference.run(
                    weights.reference, batch.inputs, precision, execution, seed=seed
                ),
                self.candidate.run(
                    weights.candidate, batch.inputs, precision, execution, seed=seed
                ),
            )
            if outside_allowed and _outside_domain(pair):
                return
            runs[precision, execution] = pair
        self._stop_on_refusal(runs, batch)
        self._stop_on_shapes(runs, batch)
        base = runs["float64", "traced_dynamic"]
        first = runs["working", executions[0]]
        sensitivities = (
            self.reference.sensitivity(weights.reference, batch.inputs, base[0], self.seed),
            self.candidate.sensitivity(weights.candidate, batch.inputs, base[1], self.seed),
        )
        noise = tuple(
            noise_floor(
                (base[0].outputs[k], base[1].outputs[k]),
                # A random stream differs between the precisions, so it cannot tell of rounding.
                (base[0].outputs[k], base[1].outputs[k])
                if self._random
                else (first[0].outputs[k], first[1].outputs[k]),
                (sensitivities[0][k], sensitivities[1][k]),
                _input_scale(batch.inputs, base[0].outputs[k]),
                pooled=chosen,
            )
            for k in range(len(base[0].outputs))
        )
        exact = self.reference.is_exact and self.candidate.is_exact
        if not exact:
            noise = tuple(coarse(floor) for floor in noise)
        for execution in executions:
            pair = runs["working", execution]
            self.observations.append(
                Observation(
                    weights.kind,
                    execution,
                    batch,
                    pair[0].outputs,
                    pair[1].outputs,
                    base[0].outputs,
                    base[1].outputs,
                    noise,
                    exact,
                )
            )

    @property
    def _random(self) -> bool:
        return self.reference.training and (
            self.reference.working.is_random or self.candidate.working.is_random
        )

    def _stop_on_refusal(
        self,
        runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]],
        batch: ProbeBatch,
    ) -> None:
        # Working precision speaks first: it is what people run.
        ordered = sorted(runs.items(), key=lambda run: run[0][0] != "working")
        for (precision, execution), pair in ordered:
            for side, outcome in zip((self.reference, self.candidate), pair, strict=True):
                if outcome.error is None:
                    continue
                error = outcome.error
                if precision == "float64":
                    error = replace(error, message=f"in float64: {error.message}")
                shapes = tuple(array.shape for array in batch.inputs)
                raise Interrupted(refusal=Refusal(side.name, execution, error, shapes))

    def _stop_on_shapes(
        self,
        runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]],
        batch: ProbeBatch,
    ) -> None:
        eager = runs.get(("working", "eager"))
        expected = (eager or runs["float64", "traced_dynamic"])[0].shapes
        for (_, execution), (one, other) in runs.items():
            if one.shapes == other.shapes == expected:
                continue
            # Where both agree, the surprise is against how the reference behaves eagerly.
            against = expected if one.shapes == other.shapes else one.shapes
            shapes = tuple(array.shape for array in batch.inputs)
            raise Interrupted(surprise=ShapeSurprise(execution, shapes, against, other.shapes))
        for (precision, execution), pair in runs.items():
            if precision == "working":
                self._stop_on_announcement(pair, execution, batch)

    def _stop_on_announcement(
        self, pair: tuple[Outcome, Outcome], execution: Execution, batch: ProbeBatch
    ) -> None:
        """Stop where a model gives another shape than Keras announced when it was built."""
        for side, outcome in zip((self.reference, self.candidate), pair, strict=True):
            if side.built.spec.select is not None:
                continue  # what a slice leaves of an unknown length cannot be foretold
            announced = tuple(keras_shapes([side.built.report.output_shape]))
            if not all(map(_as_announced, announced, outcome.shapes)):
                raise Interrupted(
                    surprise=ShapeSurprise(
                        execution,
                        tuple(array.shape for array in batch.inputs),
                        announced,
                        outcome.shapes,
                        announced=side.name,
                    )
                )


def _as_announced(announced: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    return len(announced) == len(shape) and all(
        one is None or one == other for one, other in zip(announced, shape, strict=True)
    )


def _outside_domain(pair: tuple[Outcome, Outcome]) -> bool:
    """Tell whether both models refuse an input or make nothing of it: it is too short for them."""
    return all(
        outcome.error is not None or any(output.size == 0 for output in outcome.outputs)
        for outcome in pair
    )


def _input_scale(inputs: Sequence[Array], output: Array) -> np.ndarray:
    """Return each sample's greatest input magnitude, shaped to stand beside an output."""
    scale = np.zeros(len(inputs[0]))
    for array in inputs:
        if array.dtype.kind in "fiu":
            flat = np.abs(array.astype(np.float64)).reshape(len(array), -1)
            scale = np.maximum(scale, flat.max(axis=1) if flat.shape[1] else 0.0)
    if output.ndim == 0 or len(output) != len(scale):  # a slice may have taken the batch away
        return np.asarray(scale.max())
    return scale.reshape(len(scale), *(1 for _ in output.shape[1:]))


def keras_shapes(shapes: Sequence[Any]) -> Iterator[tuple[int | None, ...]]:
    """Yield the single shapes of a list in which a shape may be several."""
    for shape in shapes:
        if isinstance(shape, tuple) and any(isinstance(part, tuple) for part in shape):
            yield from keras_shapes(shape)
        elif isinstance(shape, tuple):
            yield shape


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


def _rounded(values: Array, dtype: str) -> Array:
    """Round drawn weights to what the narrowest of the models can hold."""
    if dtype == "bfloat16":
        import ml_dtypes

        return np.asarray(values).astype(ml_dtypes.bfloat16).astype("float32")
    return np.asarray(values).astype(dtype).astype("float32")
