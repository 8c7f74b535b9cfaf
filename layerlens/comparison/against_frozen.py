"""Compare a model with outputs from elsewhere: of a recording, or of another runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from layerlens.comparison.coverage import unseen_by
from layerlens.comparison.foreign_answers import ask_foreign, fresh_weights, without_float64
from layerlens.comparison.frozen_observer import FrozenObserver, inner_of
from layerlens.comparison.named_weights import (
    frozen_again,
)
from layerlens.comparison.observer import Interrupted
from layerlens.comparison.pair import Pair
from layerlens.comparison.parting import first_parting
from layerlens.comparison.quantization import judge_quantized
from layerlens.comparison.recorded_range import RecordedRange, within_range
from layerlens.comparison.rounding import depends_on_execution
from layerlens.models.build.request import Built, Foreign, Frozen, Recorded
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
    with_single_rounding,
)
from layerlens.numerics.observation import Evidence, Observation
from layerlens.numerics.recording import SAVED, Answers
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain import stage
from layerlens.report.pairs import FirstDivergence
from layerlens.scenario.spec import Tolerance
from layerlens.vocabulary import AlsoDiffers, Plan

_NUMBERS = (
    "constants rounded to float32 could explain the difference in float64, but the layers also "
    "differ in other numbers"
)
_ONLY_EVALUATED = (
    "they differ in float64, which onnx's reference evaluator computed, and agree in float32"
)
_UNPROVED = {
    "recording": "a recording holds outputs but no computation that a proof could be about",
    "exported": "one of the two runs in another runtime, and proofs are about TensorFlow graphs",
}


@dataclass(frozen=True, slots=True)
class FrozenFindings:
    """What comparing a model with a frozen one found.

    `judgement` is None where a model refused an input or gave another shape; `evidence` then says
    so. `overruled` says whether the model was stored with other weights than recorded.
    """

    evidence: Evidence
    judgement: Judgement | None = None
    overruled: bool = False
    #: The frozen model, with what became known of it.
    frozen: Frozen | None = None
    #: Where the two part, if they differ and this was looked for.
    divergence: FirstDivergence | None = None


def compare_with_frozen(
    pair: Pair, frozen: Frozen, live: Built, transfer: Transfer
) -> FrozenFindings:
    """Run a model on the inputs and weights of a frozen one, and judge it by what that answered."""
    plan: Plan = "recording" if isinstance(frozen, Recorded) else "exported"
    seen: list[Observation] = []
    try:
        answers = (
            frozen.recording
            if isinstance(frozen, Recorded)
            else ask_foreign(frozen, live, transfer, pair)
        )
        comparison, judgement = _judged(pair, frozen, answers, live, seen)
        if isinstance(frozen, Foreign) and pair.scenario.tolerance is None:
            if judgement.verdict != "equivalent" and frozen.runtime.evaluated and answers.exact:
                comparison, judgement = _without_evaluator(comparison, judgement)
            if judgement.verdict != "equivalent" and frozen.runtime.is_named:
                comparison, judgement = _by_own_weights(comparison, judgement)
    except Interrupted as stop:
        return FrozenFindings(
            Evidence(tuple(seen), refusal=stop.refusal, shape_surprise=stop.surprise, plan=plan)
        )
    frozen = comparison.observed.frozen
    passes = judgement.verdict == "equivalent"
    evidence = Evidence(
        tuple(comparison.in_range()),
        also_differs=comparison.also_differs(),
        unseen=comparison.unseen() if passes else (),
        unproved=_UNPROVED[plan] if passes else None,
        plan=plan,
    )
    divergence = None
    if isinstance(frozen, Foreign):
        if pair.shows and judgement.verdict == "different" and judgement.witness is not None:
            divergence = first_parting(comparison.observed, judgement.witness)
        frozen = _as_it_ran(frozen, comparison.observed)
    overruled = comparison.overrules_stored_weights()
    return FrozenFindings(evidence, judgement, overruled, frozen, divergence)


def _judged(
    pair: Pair, frozen: Frozen, answers: Answers, live: Built, seen: list[Observation]
) -> tuple[_Comparison, Judgement]:
    """Run the model where the frozen one answered, and judge what both gave.

    Raises:
        Interrupted: the model refused such an input, or gave another shape.
    """
    observed = FrozenObserver(pair, frozen, answers, live, seen)
    observed.observe_all()
    comparison = _Comparison(observed)
    judgement = comparison.judgement(pair.scenario.tolerance)
    if isinstance(frozen, Foreign) and frozen.runtime.quantized and not pair.scenario.tolerance:
        judgement = judge_quantized(frozen.runtime, observed, judgement)
    return comparison, judgement


def _without_evaluator(
    comparison: _Comparison, judgement: Judgement
) -> tuple[_Comparison, Judgement]:
    """Judge the results of ONNX Runtime alone, where those of the evaluator do not agree.

    The evaluator has constants in float32, and functions that lose digits, of which nothing is
    known. A difference that only it shows is not decided.
    """
    observed = comparison.observed
    alone, found = _judged(
        observed.pair, observed.frozen, without_float64(observed.answers), observed.live, []
    )
    if judgement.verdict == found.verdict:
        return comparison, judgement
    if judgement.verdict == "different" and found.verdict == "equivalent":
        return alone, replace(found, verdict="inconclusive", reason=_ONLY_EVALUATED)
    return alone, found


def _by_own_weights(comparison: _Comparison, judgement: Judgement) -> tuple[_Comparison, Judgement]:
    """Judge a file by its own weights, where only others show a difference that may be no fault.

    It may be that an array of zeros was taken for a weight, or a number is computed from weights.
    """
    observed = comparison.observed
    assert isinstance(observed.frozen, Foreign)
    found = observed.frozen.runtime.found
    is_sure = not judgement.only_at_initialization or found is None or found.doubt is None
    if judgement.verdict == "different" and is_sure:
        return comparison, judgement
    answers = observed.answers
    runs = tuple(run for run in answers.runs if run.weights == SAVED)
    own = replace(answers, runs=runs, weights={SAVED: answers.weights[SAVED]})
    frozen = frozen_again(observed.frozen)
    return _judged(observed.pair, frozen, own, observed.live, [])


def _as_it_ran(foreign: Foreign, observed: FrozenObserver) -> Foreign:
    """Return the model with where its float64 results came from in the end."""
    row = foreign.report.runtime
    assert row is not None
    form = row.float64 if observed.answers.exact else "none"
    return replace(foreign, report=replace(foreign.report, runtime=replace(row, float64=form)))


def _in_float32(number: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(number))


@dataclass(frozen=True)
class _Comparison:
    """Judges what was observed."""

    observed: FrozenObserver

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
            self.observed.ordered(self.observed.frozen.spec.name, self.observed.side.name),
            self.observed.side,
            self.observed.weights,
            self.observed.runs,
            is_reference=self.observed.pair.reference is not self.observed.frozen,
        )

    def _judged(self, tolerance: Tolerance | None = None, *, residue: bool = False) -> Judgement:
        seen = self.in_range()
        single = self.observed.is_single
        residue = residue or single
        found = judge(
            seen, tolerance=tolerance, residue=residue, steady=self.observed.draws, single=single
        )
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
        return judge(seen, tolerance=tolerance, residue=residue, steady=True, single=single)

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
                    [*inner_of(run, k), *(() if moved is None else (moved[k],))],
                    self.observed.inner_unit,
                )
                for k, floor in enumerate(seen.noise)
            )
            if self.observed.is_single:
                noise = tuple(map(with_single_rounding, noise))
            self.observed.observations[at] = replace(seen, noise=noise)
            measured = True
        return measured

    def _has_residue(self) -> bool:
        """Return whether one float64 form computes something in float32 that the other does not."""
        runner = self.observed.side.float64.keras
        kept = self.observed.answers.float32
        if runner is None or kept is None or not self.observed.is_exact:
            return True  # nothing is known of what it computes in
        self.observed.side.hold(self.observed.weights[SAVED], "float64")
        function = runner.concrete(self.observed.answers.batches[0].inputs)
        found = float32_residue(function, written_numbers(runner.built))
        return found.computed or kept.computed or found.constants != frozenset(kept.constants)

    # --- beside the outputs -----------------------------------------------------------------------

    def also_differs(self) -> tuple[AlsoDiffers, ...]:
        """Return what differs beside the outputs, as far as the frozen model has it."""
        dtypes = tuple(str(tensor.dtype) for tensor in self.observed.live.model.outputs)
        found: list[AlsoDiffers] = []
        if dtypes != self.observed.answers.output_dtypes:
            found.append("dtype")
        if not self.observed.draws and overflows(self.in_range()):
            found.append("overflow")
        return tuple(found)

    def unseen(self) -> tuple[str, ...]:
        """Return the weights and layers of either model that the recorded inputs do not show."""
        drawn = [kind for kind in self.observed.weights if kind != SAVED] or [SAVED]
        sets = [self.observed.weights[kind] for kind in drawn]
        batches = [batch.inputs for batch in self.observed.answers.batches]
        own = unseen_by(self.observed.side, sets, batches, self.observed.pair.seed)
        frozen = self.observed.frozen
        if isinstance(frozen, Foreign):
            is_tried = frozen.runtime.is_open or frozen.runtime.is_named
            fresh = () if is_tried else fresh_weights(self.observed.live)
            return tuple(dict.fromkeys((*own, *fresh)))
        # Weights that a mapping leaves alone were tried with their own values only.
        kept = (
            self.observed.transfer.keeps_own if self.observed.transfer.method == "mapping" else ()
        )
        return tuple(
            dict.fromkeys(
                (*own, *kept, *self._other_numbers(_in_float32), *self.observed.answers.unseen)
            )
        )

    def _other_numbers(self, digits: Callable[[float], float]) -> tuple[str, ...]:
        """Return the layers of either model with numbers that the other does not have.

        Their outputs may jump where the other model's do not, at inputs that were not recorded.
        `digits` leaves of a number what is compared of it.
        """
        if self.observed.answers.numbers is None:
            return ()  # nothing is known of them
        recorded, live = (
            {name: frozenset(map(digits, own)) for name, own in numbers.items()}
            for numbers in (self.observed.answers.numbers, numbers_in(self.observed.live))
        )
        return tuple(
            name
            for ours, theirs in ((live, recorded), (recorded, live))
            for name, own in ours.items()
            if own.difference(*theirs.values())
        )

    def overrules_stored_weights(self) -> bool:
        """Return whether the recorded weights replace others in the model's file."""
        is_file = self.observed.is_recorded and self.observed.live.spec.form == "file"
        return is_file and not all(
            map(np.array_equal, self.observed.own, self.observed.weights[SAVED])
        )
