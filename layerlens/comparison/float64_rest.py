"""What one of two models computes from the tensors that both share, in float64."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from layerlens.comparison.shared_layers import Part
from layerlens.models.build.constants import (
    NumberChange,
    as_float32,
    move_constants,
    numbers_of,
)
from layerlens.models.execute.float32_residue import Float32Residue
from layerlens.models.execute.layer_walk import InFloat64, widened
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import INNER_JITTER, Side
from layerlens.models.execute.variables import as_array
from layerlens.models.inspect.nested_layers import computed_dtypes
from layerlens.numerics.arrays import Array, Float
from layerlens.numerics.differences import distance

#: So many changed layers are looked into for constants that are rounded to float32.
MOST_LOOKED_INTO = 8


@dataclass(frozen=True)
class Float64Rest:
    """The rest of one model, computed in float64 as often as it is asked for.

    The numbers in the configurations of changed layers are rounded to float32, since working
    precision has them so.
    """

    side: Side
    part: Part
    #: The calls that compute what no call of the other model does.
    changed: tuple[Any, ...]
    #: The values of the shared tensors by their ids in this model.
    shared: Mapping[int, Any]
    _residues: list[Float32Residue] = field(default_factory=list)

    @cached_property
    def outputs(self) -> tuple[Array, ...]:
        looks = len(self.changed) <= MOST_LOOKED_INTO
        return self._computed(as_float32, residues=self._residues if looks else None)

    @property
    def is_rounded(self) -> bool:
        """Whether a changed layer may compute in float32, or with constants that only it rounds."""
        assert self.outputs
        return len(self.changed) > MOST_LOOKED_INTO or any(
            residue.computed or residue.constants for residue in self._residues
        )

    @property
    def numbers(self) -> list[float]:
        """The numbers in the configurations of the changed layers."""
        return [number for call in self.changed for number in numbers_of(call.operation)]

    def inner_rounding(self) -> tuple[Float, ...]:
        """Return the change of each output per relative change of every layer's result."""
        again = self._computed(as_float32, jitter=INNER_JITTER)
        return tuple(change / INNER_JITTER for change in self._changes(again))

    def effect_of(self, constants: Collection[float]) -> tuple[Float, ...]:
        """Return the change of each output where these constants move by one float32 unit."""
        return self._changes(self._computed(move_constants(constants)))

    def _changes(self, again: tuple[Array, ...]) -> tuple[Float, ...]:
        gaps = (distance(one, other) for one, other in zip(self.outputs, again, strict=True))
        return tuple(np.where(np.isfinite(gap), gap, 0.0) for gap in gaps)

    def _computed(
        self,
        numbers: NumberChange,
        *,
        residues: list[Float32Residue] | None = None,
        jitter: float = 0.0,
    ) -> tuple[Array, ...]:
        seed, computed = self.side.working.seed, computed_dtypes(self.side.built.model)
        call = InFloat64(numbers, self.changed, residues, jitter, seed, computed)
        starts = {number: widened(value) for number, value in self.shared.items()}
        values = self.part.walk.evaluate(starts, self.part.outputs, call)
        return outputs_of(self.side, self.part, values)


def outputs_of(side: Side, part: Part, values: Mapping[int, Any]) -> tuple[Array, ...]:
    """Return the outputs of a model after `select`, from the values of its tensors by id."""
    outcome = Outcome(tuple(as_array(values[number]) for number in part.outputs))
    return side.selected(outcome).outputs
