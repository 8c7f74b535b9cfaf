"""Find where a model, or a recording of one, is out of the range of half precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.side import Side, Values
from layerlens.numerics.dtype_range import HALF, RangeSuspect, out_of_range_text, range_suspects
from layerlens.numerics.judge import Judgement, as_different
from layerlens.numerics.observation import Observation
from layerlens.numerics.recording import RecordedRun


@dataclass(frozen=True)
class RecordedRange:
    """A model that runs and one that was recorded, of which one may leave the range of its dtype.

    `dtypes` and `names` are the reference's and the candidate's.
    """

    observations: tuple[Observation, ...]
    dtypes: tuple[str, str]
    names: tuple[str, str]
    #: The model that runs, its weights by kind, and whether it is the reference.
    side: Side
    weights: Mapping[str, Values]
    #: The recorded runs by the kind of their weights and the identity of their batch.
    runs: Mapping[tuple[str, int], RecordedRun]
    is_reference: bool

    @property
    def is_half(self) -> bool:
        return any(dtype in HALF for dtype in self.dtypes)

    def suspects(self) -> Iterator[RangeSuspect]:
        """Yield the elements that rounding in half precision does not explain."""
        for seen in self.observations:
            no_change = [np.zeros(output.shape) for output in seen.reference64]
            if any(range_suspects(seen, self.dtypes, no_change)):
                yield from range_suspects(seen, self.dtypes, self._changes(seen))

    def _changes(self, seen: Observation) -> Sequence[NDArray[np.float64]] | None:
        """Return how far outputs move with inputs, weights and all results, in both models."""
        base = seen.reference64 if self.is_reference else seen.candidate64
        values, run = self.weights[seen.weights], self.runs[seen.weights, id(seen.batch)]
        moved = self.side.inner_rounding(values, seen.batch.inputs, base, everywhere=True)
        if moved is None or not seen.exact:
            return None
        recorded = zip(run.sensitivity, run.inner, strict=True)
        return [
            one + two.astype(np.float64) + three.astype(np.float64)
            for one, (two, three) in zip(moved, recorded, strict=True)
        ]

    def leaves_range(self, suspect: RangeSuspect) -> bool | None:
        """Return whether the model that runs leaves its range there; None: the other may have."""
        seen = suspect.witness.observation
        place = 0 if self.is_reference else 1
        if self.dtypes[place] in HALF:
            inputs = [array[[suspect.witness.sample]] for array in seen.batch.inputs]
            if self.side.leaves_range(self.weights[seen.weights], inputs):
                return True
        return None if self.dtypes[1 - place] in HALF else False


def within_range(judgement: Judgement, checked: RecordedRange) -> Judgement:
    """Return `different` where one model alone leaves the range of half precision.

    In float64 there is no such difference, and in working precision it would pass for rounding.
    What the recorded model did inside is not known: where that could be it, nothing is decided.
    """
    shown = judgement.witness
    if not checked.is_half or (shown is not None and shown.observation.exact):
        return judgement
    for suspect in checked.suspects():
        witness = suspect.witness
        seen, k, at = witness.observation, witness.output, witness.index
        values = float(seen.reference[k][at]), float(seen.candidate[k][at])
        live = 0 if checked.is_reference else 1
        place: int | None = None
        if suspect.certain:
            place = next(n for n in (0, 1) if not np.isfinite(values[n]))
        elif checked.leaves_range(suspect):
            place = live
        if place is not None and checked.dtypes[place] in HALF:
            reason = out_of_range_text(
                checked.dtypes[place],
                name=checked.names[place],
                other=checked.names[1 - place],
                values=(values[place], values[1 - place]),
            )
            return as_different(judgement, witness, reason)
        if place is None and checked.leaves_range(suspect) is None:
            name = checked.names[1 - live]
            reason = (
                f"they agree in float64, and in half precision they differ by more than rounding: "
                f"`{name}` may have left its range inside, which a recording does not hold"
            )
            return replace(judgement, verdict="inconclusive", witness=None, reason=reason)
    return judgement
