"""Compare a model with a recording: one side is run, the other answers as it was recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from layerlens.comparison.coverage import unseen_by
from layerlens.comparison.observer import Interrupted
from layerlens.comparison.pair import Pair
from layerlens.comparison.recorded_observer import RecordedObserver
from layerlens.comparison.recorded_range import RecordedRange, within_range
from layerlens.comparison.rounding import depends_on_execution
from layerlens.models.build.request import Built, Recorded
from layerlens.models.execute.float32_residue import float32_residue
from layerlens.models.execute.input_domains import (
    numbers_in,
    written_numbers,
)
from layerlens.numerics.dtype_range import (
    overflows,
    without_out_of_range,
)
from layerlens.numerics.judge import (
    Judgement,
    is_rounding,
    judge,
)
from layerlens.numerics.noise_floor import (
    with_inner_rounding,
)
from layerlens.numerics.observation import Evidence, Observation
from layerlens.numerics.recording import SAVED
from layerlens.plain import stage
from layerlens.scenario.spec import Tolerance
from layerlens.vocabulary import AlsoDiffers

_NUMBERS = (
    "in float64 they differ by what constants rounded to float32 could explain, but their layers "
    "have other numbers too"
)
_UNPROVED = "a recording holds outputs and no computation about which anything could be proved"


@dataclass(frozen=True, slots=True)
class RecordingFindings:
    """What comparing a model with a recording found.

    `judgement` is None where the model refused a recorded input or gave another shape; `evidence`
    then says so. `overruled` says whether the model was stored with other weights than recorded.
    """

    evidence: Evidence
    judgement: Judgement | None = None
    overruled: bool = False


def compare_with_recording(pair: Pair, recorded: Recorded, live: Built) -> RecordingFindings:
    """Run a model on the inputs and weights of a recording, and judge it by what was recorded."""
    observed = RecordedObserver(pair, recorded, live)
    try:
        observed.observe_all()
    except Interrupted as stop:
        seen = tuple(observed.observations)
        return RecordingFindings(
            Evidence(seen, refusal=stop.refusal, shape_surprise=stop.surprise, plan="recording")
        )
    comparison = _Comparison(observed)
    judgement = comparison.judgement(pair.scenario.tolerance)
    evidence = Evidence(
        tuple(comparison.in_range()),
        also_differs=comparison.also_differs(),
        unseen=comparison.unseen() if judgement.verdict == "equivalent" else (),
        unproved=_UNPROVED if judgement.verdict == "equivalent" else None,
        plan="recording",
    )
    return RecordingFindings(evidence, judgement, comparison.overrules_stored_weights())


def _in_float32(number: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(number))


@dataclass(frozen=True)
class _Comparison:
    """Judges what was observed."""

    observed: RecordedObserver

    # --- judging ----------------------------------------------------------------------------------

    def judgement(self, tolerance: Tolerance | None) -> Judgement:
        """Judge; where outputs differ, first measure rounding inside, then look for float32."""
        found = self._judged(tolerance)
        if tolerance is not None:
            return found
        if found.verdict != "equivalent" and self._add_inner_rounding():
            found = self._judged()
        may_be_rounding = found.verdict != "equivalent" and found.near_rounding
        if may_be_rounding and self._has_residue():
            found = self._judged(residue=True)
            if found.verdict == "equivalent" and self._other_numbers(float):
                found = replace(found, verdict="inconclusive", reason=_NUMBERS)
        return within_range(found, self._range())

    def in_range(self) -> list[Observation]:
        """Return the observations without values that half precision does not have to represent."""
        return [
            without_out_of_range(one, self.observed.dtypes) for one in self.observed.observations
        ]

    def _range(self) -> RecordedRange:
        return RecordedRange(
            tuple(self.observed.observations),
            self.observed.dtypes,
            self.observed.ordered(self.observed.recorded.spec.name, self.observed.side.name),
            self.observed.side,
            self.observed.weights,
            self.observed.runs,
            is_reference=self.observed.pair.reference is not self.observed.recorded,
        )

    def _judged(self, tolerance: Tolerance | None = None, *, residue: bool = False) -> Judgement:
        seen = self.in_range()
        found = judge(seen, tolerance=tolerance, residue=residue, steady=self.observed.draws)
        witness = found.witness
        if witness is None or witness.inconsistent is None:
            return found
        if witness.inconsistent == self.observed.ordered("candidate", "reference")[0]:
            one = witness.observation
            values = self.observed.weights[one.weights]
            base, working = self.observed.of_live(one)
            if depends_on_execution(
                self.observed.side, values, one, base, working, self.observed.inner_unit
            ):
                return found
        return judge(seen, tolerance=tolerance, residue=residue, steady=True)

    def _add_inner_rounding(self) -> bool:
        """Add the rounding inside both models to the noise floors where the outputs differ."""
        stage.enter("measuring the rounding inside the models")
        measured = False
        for at, seen in enumerate(self.observed.observations):
            if is_rounding(seen):
                continue
            run = self.observed.runs[seen.weights, id(seen.batch)]
            base, _ = self.observed.of_live(seen)
            moved = self.observed.side.inner_rounding(
                self.observed.weights[seen.weights], seen.batch.inputs, base
            )
            noise = tuple(
                with_inner_rounding(
                    floor,
                    [run.inner[k].astype(np.float64), *(() if moved is None else (moved[k],))],
                    self.observed.inner_unit,
                )
                for k, floor in enumerate(seen.noise)
            )
            self.observed.observations[at] = replace(seen, noise=noise)
            measured = True
        return measured

    def _has_residue(self) -> bool:
        """Return whether one float64 form computes something in float32 that the other does not."""
        runner = self.observed.side.float64.keras
        if runner is None or not self.observed.is_exact:
            return True  # nothing is known of what it computes in
        self.observed.side.hold(self.observed.weights[SAVED], "float64")
        function = runner.concrete(self.observed.recording.batches[0].inputs)
        found = float32_residue(function, written_numbers(runner.built))
        kept = self.observed.recording.float32
        return found.computed or kept.computed or found.constants != frozenset(kept.constants)

    # --- beside the outputs -----------------------------------------------------------------------

    def also_differs(self) -> tuple[AlsoDiffers, ...]:
        """Return what differs beside the outputs, as far as a recording has it."""
        dtypes = tuple(str(tensor.dtype) for tensor in self.observed.live.model.outputs)
        found: list[AlsoDiffers] = []
        if dtypes != self.observed.recording.output_dtypes:
            found.append("dtype")
        if not self.observed.draws and overflows(self.in_range()):
            found.append("overflow")
        return tuple(found)

    def unseen(self) -> tuple[str, ...]:
        """Return the weights and layers of either model that the recorded inputs do not show."""
        drawn = [kind for kind in self.observed.weights if kind != SAVED] or [SAVED]
        sets = [self.observed.weights[kind] for kind in drawn]
        batches = [batch.inputs for batch in self.observed.recording.batches]
        own = unseen_by(self.observed.side, sets, batches, self.observed.pair.seed)
        # Weights that a mapping leaves alone were tried with their own values only.
        kept = (
            self.observed.transfer.keeps_own if self.observed.transfer.method == "mapping" else ()
        )
        return tuple(
            dict.fromkeys(
                (*own, *kept, *self._other_numbers(_in_float32), *self.observed.recording.unseen)
            )
        )

    def _other_numbers(self, digits: Callable[[float], float]) -> tuple[str, ...]:
        """Return the layers of either model with numbers that the other does not have.

        Their outputs may jump where the other model's do not, at inputs that were not recorded.
        `digits` leaves of a number what is compared of it.
        """
        recorded, live = (
            {name: frozenset(map(digits, own)) for name, own in numbers.items()}
            for numbers in (self.observed.recording.numbers, numbers_in(self.observed.live))
        )
        return tuple(
            name
            for ours, theirs in ((live, recorded), (recorded, live))
            for name, own in ours.items()
            if own.difference(*theirs.values())
        )

    def overrules_stored_weights(self) -> bool:
        """Return whether the recorded weights replace others in the model's file."""
        return self.observed.live.spec.form == "file" and not all(
            map(np.array_equal, self.observed.own, self.observed.weights[SAVED])
        )
