"""How much of a difference rounding explains: inside models, in constants, in float32 residue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
from layerlens.models.execute.input_domains import (
    written_numbers,
)
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import Witness, changes_with_execution, is_rounding
from layerlens.numerics.noise_floor import NoiseFloor, with_inner_rounding
from layerlens.numerics.observation import Observation

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
class RoundingCheck:
    """Measures rounding where a difference needs it, and adds it to the noise floors."""

    work: Examination

    def confirms(self, witness: Witness) -> bool:
        """Tell whether a model really strays from itself: float64 has to show it as well.

        Two executions round differently, and an ill-conditioned input makes that large; a result
        that the way of calling changes is changed in every precision.
        """
        seen = witness.observation
        side = self.work.reference if witness.inconsistent == "reference" else self.work.candidate
        weights = self.work.weights_of(seen)
        values = weights.reference if side is self.work.reference else weights.candidate
        again = side.run(values, seen.batch.inputs, "float64", seen.execution)
        base = seen.reference64 if side is self.work.reference else seen.candidate64
        if again.error is not None or again.shapes != tuple(array.shape for array in base):
            return True
        working = seen.reference if side is self.work.reference else seen.candidate

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
        unit = self.work.observer.inner_unit
        return strays([with_inner_rounding(n, [inner[k]], unit) for k, n in enumerate(seen.noise)])

    def measure_inner(self) -> bool:
        """Add to the noise floors what rounding inside the models leaves, where they part.

        Returns False where nothing was measured. Inputs and weights alone do not tell of it: a
        number that is added and taken off again leaves its own rounding behind.
        """
        apart = [at for at, seen in enumerate(self.work.observations) if not is_rounding(seen)]
        return True in [self._add_inner_rounding(at) for at in apart]

    def may_absorb(self, witness: Witness) -> bool:
        """Tell whether a model may add a number to a value so small that float32 loses it there.

        Compares the smallest number that enters, at the witness or as a constant, with the
        greatest one.
        """
        seen, sample = witness.observation, witness.sample
        entering = [array[sample : sample + 1] for array in seen.batch.inputs]
        held = self.work.weights_of(seen)
        constants = np.array([1.0, *self.work.constants])
        small = min(map(_least_size, (constants, *entering)))
        large = max(map(_greatest_size, (constants, *entering, *held.reference, *held.candidate)))
        return large >= 2.0**24 * small

    def measure_inner_of(self, observation: Observation) -> bool:
        """Do the same for one observation; False where it was done before."""
        key = observation.weights, observation.execution, id(observation.batch)
        same = [
            at
            for at, seen in enumerate(self.work.observations)
            if (seen.weights, seen.execution, id(seen.batch)) == key
        ]
        return True in [self._add_inner_rounding(at) for at in same]

    def _add_inner_rounding(self, position: int) -> bool:
        """Measure one observation, unless that was done or cannot be: then return False."""
        seen = self.work.observations[position]
        if any(np.ndim(floor.inner) for floor in seen.noise):
            return False
        inner = self.work.inner_rounding(seen)
        if not inner:
            return False
        unit = self.work.observer.inner_unit
        noise = tuple(
            with_inner_rounding(floor, [effect[k] for effect in inner], unit)
            for k, floor in enumerate(seen.noise)
        )
        self.work.observations[position] = replace(seen, noise=noise)
        return True

    def measure_constants(self) -> bool:
        """Look at what is left where every number in the configurations is as float32 holds it.

        Layers that round their constants to float32 then compute the same as those that do not. A
        constant that only one model has may be rounded from another number, as a tenth of a fifth
        is from a fiftieth: what moving it by a unit of float32 changes is added to the floors.
        Returns False where neither model could be built with other constants.
        """
        sides = (self.work.reference, self.work.candidate)
        if not all(side.is_exact for side in sides):
            return False
        measured = False
        for position, seen in enumerate(self.work.observations):
            if is_rounding(seen):
                continue
            weights = self.work.weights_of(seen)
            found = [
                self._with_rounded_constants(side, values, seen.batch.inputs, base)
                for side, values, base in (
                    (self.work.reference, weights.reference, seen.reference64),
                    (self.work.candidate, weights.candidate, seen.candidate64),
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
            self.work.observations[position] = replace(
                seen, reference64=ours.outputs, candidate64=theirs.outputs, noise=noise
            )
        return measured

    def _with_rounded_constants(
        self, side: Side, values: Values, inputs: Sequence[Array], base: tuple[Array, ...]
    ) -> RoundedConstants:
        effects: list[Any] = [np.zeros(output.shape) for output in base]
        rounded = side.run_with_numbers("rounded", as_float32, values, inputs, base)
        outputs = base if rounded is None else rounded
        own = self._one_sided[0 if side is self.work.reference else 1]
        for moved in constant_groups(own, MOST_MOVED):
            changed = side.run_with_numbers(moved, move_constants(moved), values, inputs, base)
            if changed is None:
                continue
            for k, (one, other) in enumerate(zip(outputs, changed, strict=True)):
                gap = distance(one, other)
                effects[k] = effects[k] + np.where(np.isfinite(gap), gap, 0.0)
        return RoundedConstants(outputs, tuple(effects), rounded is not None)

    @cached_property
    def _one_sided(self) -> tuple[frozenset[float], frozenset[float]]:
        return one_sided_constants(self.work.reference.built, self.work.candidate.built)

    def float32_residue(self) -> bool:
        """Tell whether float32 is at work in a float64 form, other than alike in both.

        Constants are looked at as float32 holds them, where the model could be built so: that was
        done, and leaves no residue.
        """
        inputs = self.work.generic_inputs()
        constants, computed = [], False
        for side in (self.work.reference, self.work.candidate):
            runner = side.with_changed_numbers("rounded", as_float32) or side.float64
            residue = runner.float32_residue(inputs, written_numbers(runner.built))
            constants.append(residue.constants)
            computed = computed or residue.computed
        return computed or constants[0] != constants[1]


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
