"""Where half precision leaves its range in one model of a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerlens.comparison.examination import Examination
from layerlens.numerics.differences import (
    distance,
)
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


@dataclass(frozen=True)
class RangeCheck:
    """Looks for results that half precision cannot hold."""

    work: Examination

    def observations(self) -> list[Observation]:
        """Return the observations without what half precision cannot hold and need not."""
        return [without_out_of_range(one, self._dtypes) for one in self.work.observations]

    @property
    def _dtypes(self) -> tuple[str, str]:
        return self.work.reference.coarsest_dtype, self.work.candidate.coarsest_dtype

    def leaving(self) -> tuple[Witness, str] | None:
        """Return where half precision leaves its range in one model, and in words how.

        Only where the two agree in float64: what differs there is no matter of the dtype.
        """
        if not any(dtype in HALF for dtype in self._dtypes) or self.work.observer.is_random:
            return None
        for seen in self.work.observations:
            # The least that rounding can leave: where even that explains all, nothing is measured.
            still = [np.zeros(output.shape) for output in seen.reference64]
            if not any(range_suspects(seen, self._dtypes, still)):
                continue
            inner = self.work.inner_rounding(seen, everywhere=True) if seen.exact else []
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
        weights = self.work.weights_of(seen)
        one = seen.reference[k][at], seen.reference64[k][at]
        other = seen.candidate[k][at], seen.candidate64[k][at]
        sides = [
            (self.work.reference, self.work.candidate, weights.reference, one, other),
            (self.work.candidate, self.work.reference, weights.candidate, other, one),
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
        return not self.work.observer.is_random and overflows(self.work.observations)
