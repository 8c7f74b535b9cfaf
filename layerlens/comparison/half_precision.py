"""Find what half precision does to one model of a pair alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerlens.comparison.examination import Examination
from layerlens.comparison.probe_plan import ProbePlan
from layerlens.models.execute.conversions import conversions_to_half
from layerlens.models.execute.side import Side
from layerlens.numerics.differences import distance
from layerlens.numerics.dtype_range import (
    HALF,
    RangeSuspect,
    out_of_range_text,
    overflows,
    range_suspects,
    without_out_of_range,
)
from layerlens.numerics.judge import Witness
from layerlens.numerics.observation import Observation


def converts_alone(examination: Examination) -> bool:
    """Return whether one model's float64 form rounds to half precision where the other's does not.

    Only where layers of either model compute in half precision: then this rounding is no part of
    the function, but float64 forms would differ by it. Code that writes the dtype out, and
    `keras.ops.cast` in a model whose layers compute in float32, convert in float64 as well.
    """
    if not any(side.coarsest_dtype in HALF for side in examination.sides):
        return False
    examination.prepare(ProbePlan(examination).base_length())
    one, other = (_conversions(examination, side) for side in examination.sides)
    return one != other


def _conversions(examination: Examination, side: Side) -> int | None:
    """Return how often a float64 form converts to half precision; None if it cannot be traced."""
    function = examination.traced(side, "float64") if side.is_exact else None
    return None if function is None else conversions_to_half(function)


@dataclass(frozen=True)
class RangeCheck:
    """Finds results that half precision cannot represent."""

    examination: Examination

    def observations(self) -> list[Observation]:
        """Return the observations without values that half precision does not have to represent."""
        return [without_out_of_range(one, self._dtypes) for one in self.examination.observations]

    @property
    def _dtypes(self) -> tuple[str, str]:
        return self.examination.reference.coarsest_dtype, self.examination.candidate.coarsest_dtype

    def find_out_of_range(self) -> tuple[Witness, str] | None:
        """Return a place where one model is out of the range of half precision, and a sentence.

        Only where the two agree in float64: a difference there is not due to the dtype.
        """
        if not any(dtype in HALF for dtype in self._dtypes) or self.examination.observer.is_random:
            return None
        for seen in self.examination.observations:
            # Without a suspect even at the least possible rounding, there is nothing to measure.
            no_change = [np.zeros(output.shape) for output in seen.reference64]
            if not any(range_suspects(seen, self._dtypes, no_change)):
                continue
            inner = self.examination.inner_rounding(seen, everywhere=True) if seen.exact else []
            changes = [np.sum(each, axis=0) for each in zip(*inner, strict=True)] if inner else None
            for suspect in range_suspects(seen, self._dtypes, changes):
                reason = self._out_of_range(suspect)
                if reason is not None:
                    return suspect.witness, reason
        return None

    def _out_of_range(self, suspect: RangeSuspect) -> str | None:
        """Return a sentence about the model that is out of range; None where neither is."""
        witness, seen = suspect.witness, suspect.witness.observation
        k, at = witness.output, witness.index
        weights = self.examination.weights_of(seen)
        one = seen.reference[k][at], seen.reference64[k][at]
        other = seen.candidate[k][at], seen.candidate64[k][at]
        sides = [
            (self.examination.reference, self.examination.candidate, weights.reference, one, other),
            (self.examination.candidate, self.examination.reference, weights.candidate, other, one),
        ]
        # First the model that is further from its own float64 result.
        sides.sort(key=lambda each: -float(distance(*map(np.asarray, each[3]))))
        sample_inputs = [array[[witness.sample]] for array in seen.batch.inputs]
        for side, opposite, values, own, others in sides:
            if side.coarsest_dtype not in HALF:
                continue
            overflowed = suspect.certain and not np.isfinite(own[0])
            if overflowed or (not suspect.certain and side.leaves_range(values, sample_inputs)):
                shown = float(own[0]), float(others[0])
                return out_of_range_text(
                    side.coarsest_dtype, name=side.name, other=opposite.name, values=shown
                )
        return None

    def overflows(self) -> bool:
        """Return whether one model alone overflows on inputs of ordinary size."""
        return not self.examination.observer.is_random and overflows(self.examination.observations)
