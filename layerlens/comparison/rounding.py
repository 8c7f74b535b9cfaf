"""Measure how much of a difference rounding explains, in models, constants or float32 residue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.comparison.examination import Examination
from layerlens.models.build.constants import (
    as_float32,
    constant_groups,
    move_constants,
    one_sided_constants,
)
from layerlens.models.execute.float32_residue import float32_residue
from layerlens.models.execute.input_domains import written_numbers
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Array, per_sample_max
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import Witness, changes_with_execution, is_rounding
from layerlens.numerics.noise_floor import NoiseFloor, input_scale, with_inner_rounding
from layerlens.numerics.observation import Observation
from layerlens.plain import stage

#: How many constants that only one model has are perturbed one by one.
MAX_PERTURBED = 6
#: Two numbers that differ by this share of the greatest have no digit in common, and samples whose
#: greatest input is within this factor of 1 are of ordinary size.
ALL_DIGITS, ORDINARY = 0.25, 16.0
LEAST_OUTPUT = 2.0**-10


@dataclass(frozen=True, slots=True)
class RoundedConstants:
    """A model's float64 outputs with its constants rounded to float32.

    `effects` is the change of each output when a constant that only this model has changes by a
    unit of float32, summed over these constants. `measured` is false where no constant is changed
    by rounding.
    """

    outputs: tuple[Array, ...]
    effects: tuple[Any, ...]
    measured: bool


def _loses_all_digits(inputs: Sequence[Array], one: Array, other: Array) -> bool:
    """Return whether two float64 outputs have no digit in common on a sample of ordinary size.

    Rounding that leaves nothing of a result is no rounding to a user, as in (x + 1e20) - 1e20.
    """
    if one.dtype.kind != "f" or not one.size:
        return False
    sizes = np.broadcast_to(input_scale(inputs, one), one.shape)
    scale = per_sample_max(np.maximum(np.abs(one), np.abs(other)))
    lost = distance(one, other) > ALL_DIGITS * np.maximum(scale, LEAST_OUTPUT)
    return bool((lost & (sizes >= 1 / ORDINARY) & (sizes <= ORDINARY)).any())


def depends_on_execution(
    side: Side,
    values: Values,
    seen: Observation,
    base: Sequence[Array],
    working: Sequence[Array],
    unit: float,
) -> bool:
    """Return whether a model's result depends on the way of calling, in float64 too.

    `base` and `working` are its outputs in the observation, in either precision; `unit` is the
    relative size of one rounding inside it.
    """
    again = side.run(values, seen.batch.inputs, "float64", seen.execution)
    if again.error is not None or again.shapes != tuple(array.shape for array in base):
        return True

    def deviates(noises: Sequence[NoiseFloor]) -> bool:
        return any(
            bool(changes_with_execution(base[k], again.outputs[k], working[k], noise).any())
            for k, noise in enumerate(noises)
        )

    if not deviates(seen.noise):
        return False
    if any(map(partial(_loses_all_digits, seen.batch.inputs), base, again.outputs)):
        return True
    # A graph may omit two operations that cancel, and with them their rounding.
    inner = side.inner_rounding(values, seen.batch.inputs, base)
    if inner is None:
        return True
    return deviates([with_inner_rounding(n, [inner[k]], unit) for k, n in enumerate(seen.noise)])


@dataclass
class RoundingCheck:
    """Measures rounding where outputs differ, and adds it to the noise floors."""

    examination: Examination

    def confirms(self, witness: Witness) -> bool:
        """Return whether a model's result really depends on the way of calling, in float64 too.

        Two executions round differently, which an ill-conditioned input magnifies. A real
        dependence on the way of calling shows in every precision.
        """
        seen = witness.observation
        side = (
            self.examination.reference
            if witness.inconsistent == "reference"
            else self.examination.candidate
        )
        weights = self.examination.weights_of(seen)
        values = weights.reference if side is self.examination.reference else weights.candidate
        base = seen.reference64 if side is self.examination.reference else seen.candidate64
        working = seen.reference if side is self.examination.reference else seen.candidate
        unit = self.examination.observer.inner_unit
        return depends_on_execution(side, values, seen, base, working, unit)

    def measure_inner_rounding(self) -> bool:
        """Add the rounding inside the models to the noise floors where the outputs differ.

        Returns False where nothing was measured. Perturbing inputs and weights does not show this
        rounding: a number that is added and subtracted again leaves its rounding error.
        """
        stage.enter("measuring the rounding inside the models")
        differing = [
            at for at, seen in enumerate(self.examination.observations) if not is_rounding(seen)
        ]
        return True in [self._add_inner_rounding(at) for at in differing]

    def may_absorb(self, witness: Witness) -> bool:
        """Return whether a model may add numbers so different in size that float32 drops one.

        Compares the smallest number, in the witness' inputs or the constants, with the greatest.
        """
        seen, sample = witness.observation, witness.sample
        entering = [array[sample : sample + 1] for array in seen.batch.inputs]
        held = self.examination.weights_of(seen)
        constants = np.array([1.0, *self.examination.constants])
        small = min(map(_least_size, (constants, *entering)))
        large = max(map(_greatest_size, (constants, *entering, *held.reference, *held.candidate)))
        return large >= 2.0**24 * small

    def measure_inner_rounding_of(self, observation: Observation) -> bool:
        """Do the same for one observation; return False where it was done before."""
        stage.enter("measuring the rounding inside the models")
        key = observation.weights, observation.execution, id(observation.batch)
        same = [
            at
            for at, seen in enumerate(self.examination.observations)
            if (seen.weights, seen.execution, id(seen.batch)) == key
        ]
        return True in [self._add_inner_rounding(at) for at in same]

    def _add_inner_rounding(self, position: int) -> bool:
        """Measure one observation; return False where that was done before or is impossible."""
        seen = self.examination.observations[position]
        if any(np.ndim(floor.inner) for floor in seen.noise):
            return False
        inner = self.examination.inner_rounding(seen)
        if not inner:
            return False
        unit = self.examination.observer.inner_unit
        noise = tuple(
            with_inner_rounding(floor, [effect[k] for effect in inner], unit)
            for k, floor in enumerate(seen.noise)
        )
        self.examination.observations[position] = replace(seen, noise=noise)
        return True

    def measure_constants(self) -> bool:
        """Replace the float64 outputs by those with every configured number rounded to float32.

        Layers that round their constants to float32 then compute the same as those that do not. A
        constant that only one model has may have been rounded on the way, as 0.2 / 10 is compared
        with 0.02: the effect of changing it by a unit of float32 is added to the noise floors.
        Returns False where neither model could be built with other constants.
        """
        sides = (self.examination.reference, self.examination.candidate)
        if not all(side.is_exact for side in sides):
            return False
        measured = False
        for position, seen in enumerate(self.examination.observations):
            if is_rounding(seen):
                continue
            weights = self.examination.weights_of(seen)
            found = [
                self._with_rounded_constants(side, values, seen.batch.inputs, base)
                for side, values, base in (
                    (self.examination.reference, weights.reference, seen.reference64),
                    (self.examination.candidate, weights.candidate, seen.candidate64),
                )
            ]
            if not any(one.measured for one in found):
                continue
            measured = True
            reference, candidate = found
            noise = tuple(
                replace(floor, constants=reference.effects[k] + candidate.effects[k])
                for k, floor in enumerate(seen.noise)
            )
            self.examination.observations[position] = replace(
                seen, reference64=reference.outputs, candidate64=candidate.outputs, noise=noise
            )
        return measured

    def _with_rounded_constants(
        self, side: Side, values: Values, inputs: Sequence[Array], base: tuple[Array, ...]
    ) -> RoundedConstants:
        effects: list[Any] = [np.zeros(output.shape) for output in base]
        rounded = side.run_with_numbers("rounded", as_float32, values, inputs, base)
        outputs = base if rounded is None else rounded
        own = self._one_sided[0 if side is self.examination.reference else 1]
        for moved in constant_groups(own, MAX_PERTURBED):
            changed = side.run_with_numbers(moved, move_constants(moved), values, inputs, base)
            if changed is None:
                continue
            for k, (one, other) in enumerate(zip(outputs, changed, strict=True)):
                difference = distance(one, other)
                effects[k] = effects[k] + np.where(np.isfinite(difference), difference, 0.0)
        return RoundedConstants(outputs, tuple(effects), rounded is not None)

    @cached_property
    def _one_sided(self) -> tuple[frozenset[float], frozenset[float]]:
        return one_sided_constants(
            self.examination.reference.built, self.examination.candidate.built
        )

    def float32_residue(self) -> bool:
        """Return whether a float64 form computes something in float32 that the other does not.

        Where a model can be built with constants rounded to float32, that form is examined, since
        `measure_constants` accounts for the rounding of these.
        """
        inputs = self.examination.generic_inputs()
        constants, computed = [], False
        for side in (self.examination.reference, self.examination.candidate):
            runner = (side.with_changed_numbers("rounded", as_float32) or side.float64).keras
            if runner is None:
                return True  # nothing is known of what the runtime computes in
            residue = float32_residue(runner.concrete(inputs), written_numbers(runner.built))
            constants.append(residue.constants)
            computed = computed or residue.computed
        return computed or constants[0] != constants[1]


def _least_size(array: Array) -> float:
    """Return the least nonzero finite size in an array, at most 1."""
    sizes = _finite_sizes(array)
    return float(np.min(sizes, where=sizes > 0, initial=1.0))


def _greatest_size(array: Array) -> float:
    return float(np.max(_finite_sizes(array), initial=0.0))


def _finite_sizes(array: Array) -> NDArray[np.float64]:
    if array.dtype.kind not in "fiu":
        return np.zeros(0)
    sizes = np.abs(array.astype(np.float64))
    return sizes[np.isfinite(sizes)]
