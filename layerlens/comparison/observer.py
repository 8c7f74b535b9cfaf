"""Run both models on one batch with one set of weights, in every way of calling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerlens.comparison.randomness import changed
from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.keras_runner import Outcome
from layerlens.models.execute.side import Precision, Side, sensitivities
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.models.inspect.shapes import flat_shapes
from layerlens.numerics.differences import distance
from layerlens.numerics.noise_floor import (
    COARSE_MARGIN,
    ROUNDOFF64,
    floor_without_float64,
    input_scale,
    noise_floor,
)
from layerlens.numerics.observation import CallRefusal, Observation, ShapeSurprise
from layerlens.numerics.probes import ProbeBatch
from layerlens.numerics.weight_values import OVERFLOWING
from layerlens.proof.shared_prefix import SharedPrefix
from layerlens.vocabulary import Execution


class Interrupted(Exception):  # noqa: N818 (no fault: what stopped it is the finding)
    """Ends the examination early: what stopped it decides the verdict."""

    def __init__(self, refusal: CallRefusal | None = None, surprise: ShapeSurprise | None = None):
        super().__init__()
        self.refusal = refusal
        self.surprise = surprise


#: How many samples are run without the rest of their batch, and what part of their values has to
#: change to tell that the rest matters.
FEW = 3
NEIGHBOURS = 1e-9


@dataclass
class Observer:
    """Runs both models of a pair on the same weights and inputs."""

    reference: Side
    candidate: Side
    seed: int
    #: Another shape than Keras announced, where both models have it in every way of calling.
    misannounced: ShapeSurprise | None = None

    #: What both begin with alike, where calling it eagerly once instead of twice is worth it.
    shared_prefix: SharedPrefix | None = None
    _looked: bool = False
    _changes: bool = False

    def observe(
        self,
        weights: WeightSet,
        batch: ProbeBatch,
        executions: Sequence[Execution],
        *,
        outside_allowed: bool = False,
        chosen: bool = False,
        seed: int | None = None,
    ) -> tuple[Observation, ...]:
        """Run both models in float64 and in every execution; raise Interrupted where one cannot.

        `outside_allowed` skips lengths that are too short for both; `chosen` is for samples that
        were sought out for their difference. Where only a model's float64 form refuses, the pair
        goes on in working precision.
        """
        self._notice_randomness(weights, batch)
        runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]] = {}
        wanted: list[tuple[Precision, Execution]] = [("float64", "traced_dynamic")]
        wanted += [("working", execution) for execution in executions]
        started = {how: self._start(weights, batch, *how, seed) for how in wanted}
        for how, (one, other) in started.items():
            pair = runs[how] = one(), other()
            if outside_allowed and _outside_domain(pair):
                return ()
        if self._is_only_float64_refused(runs):
            self.reference.leave_float64()
            self.candidate.leave_float64()
            return self.observe(
                weights,
                batch,
                executions,
                outside_allowed=outside_allowed,
                chosen=chosen,
                seed=seed,
            )
        self._stop_on_refusal(runs, batch)
        self._stop_on_shapes(runs, batch)
        if weights.kind in OVERFLOWING:
            runs = _within_reach(runs)
        base = runs["float64", "traced_dynamic"]
        first = runs["working", executions[0]]
        draws = 2 if weights.kind in ("initial", "drawn") else 1
        moved = sensitivities(
            (self.reference, self.candidate),
            (weights.reference, weights.candidate),
            batch.inputs,
            base,
            self.seed,
            draws,
        )
        # A random stream differs between the precisions, so it cannot tell of rounding.
        finest = base if self.is_random else self._finest(weights, batch, base, seed)
        noise = tuple(
            noise_floor(
                (finest[0].outputs[k], finest[1].outputs[k]),
                (base[0].outputs[k], base[1].outputs[k])
                if self.is_random
                else (first[0].outputs[k], first[1].outputs[k]),
                (moved[0][k], moved[1][k]),
                input_scale(batch.inputs, base[0].outputs[k]),
                pooled=chosen,
            )
            for k in range(len(base[0].outputs))
        )
        if not self._is_exact:
            unit = max(self.reference.unit, self.candidate.unit)
            noise = tuple(floor_without_float64(floor, unit) for floor in noise)
        return tuple(
            Observation(
                weights.kind,
                execution,
                batch,
                runs["working", execution][0].outputs,
                runs["working", execution][1].outputs,
                base[0].outputs,
                base[1].outputs,
                noise,
                self._is_exact,
            )
            for execution in executions
        )

    def _finest(
        self,
        weights: WeightSet,
        batch: ProbeBatch,
        base: tuple[Outcome, Outcome],
        seed: int | None,
    ) -> tuple[Outcome, Outcome]:
        """Return each model's outputs in the finest precision that it has, to tell its rounding."""
        one, other = (
            side.run_finer(values, batch.inputs, outcome, seed=seed)
            for side, values, outcome in zip(
                (self.reference, self.candidate),
                (weights.reference, weights.candidate),
                base,
                strict=True,
            )
        )
        return one, other

    def _is_only_float64_refused(
        self, runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]]
    ) -> bool:
        """Tell whether a float64 form refuses what no way of calling refuses in working precision.

        Keras has no float64 kernel for all that it computes: that says nothing about the model.
        """
        if not self._is_exact:
            return False
        return any(
            runs["float64", "traced_dynamic"][position].error is not None
            and all(
                pair[position].error is None
                for (precision, _), pair in runs.items()
                if precision == "working"
            )
            for position in (0, 1)
        )

    def depends_on_neighbours(self, weights: WeightSet, seen: Observation) -> bool:
        """Tell whether either model makes something else of samples in another batch.

        The first few go in the other order and without the rest.
        """
        few = [array[:FEW][::-1] for array in seen.batch.inputs]
        for side, values, outputs in (
            (self.reference, weights.reference, seen.reference64),
            (self.candidate, weights.candidate, seen.candidate64),
        ):
            alone = side.run(values, few, "float64", "traced_dynamic")
            if alone.error is not None:
                continue  # batches of other sizes are tried for themselves
            for one, whole in zip(alone.outputs, outputs, strict=True):
                if not whole.ndim or one.shape != (min(FEW, len(whole)), *whole.shape[1:]):
                    continue  # a slice hides which sample is which
                same, size = whole[:FEW][::-1], 1.0
                if one.dtype.kind == "f":
                    size = float(np.abs(same[np.isfinite(same)]).max(initial=1.0))
                if (distance(one, same) > NEIGHBOURS * size).any():
                    return True
        return False

    def _start(
        self,
        weights: WeightSet,
        batch: ProbeBatch,
        precision: Precision,
        execution: Execution,
        seed: int | None,
    ) -> tuple[Callable[[], Outcome], Callable[[], Outcome]]:
        """Set both models going; what is returned waits for their outcomes."""
        values = weights.reference, weights.candidate
        if (precision, execution) == ("working", "eager") and self.shared_prefix is not None:
            started = self.shared_prefix.start(values, batch.inputs, seed)
            if started is not None:
                return started
        one, other = (
            side.start(own, batch.inputs, precision, execution, seed=seed)
            for side, own in zip((self.reference, self.candidate), values, strict=True)
        )
        return one, other

    @property
    def inner_unit(self) -> float:
        """The size of one rounding inside the models, as a noise floor counts it."""
        if self._is_exact:
            return ROUNDOFF64
        return max(self.reference.unit, self.candidate.unit) / COARSE_MARGIN

    @property
    def _is_exact(self) -> bool:
        return self.reference.is_exact and self.candidate.is_exact

    @property
    def is_random(self) -> bool:
        """Whether outputs may be random: another stream in each precision."""
        seeded = self.reference.working.is_random or self.candidate.working.is_random
        return (self.reference.training and seeded) or self._changes

    def _notice_randomness(self, weights: WeightSet, batch: ProbeBatch) -> None:
        """Find out, once, whether layers that are not Keras' own draw in any mode.

        They may draw from streams of their own, and in inference as well.
        """
        if self._looked:
            return
        self._looked = True
        pairs = (self.reference, weights.reference), (self.candidate, weights.candidate)
        for side, values in pairs:
            if not has_foreign_layers(side.built):
                continue
            one, other = (
                side.run(values, batch.inputs, "float64", "traced_dynamic", seed=self.seed + draw)
                for draw in (0, 1)
            )
            self._changes = self._changes or changed(one, other)

    def _stop_on_refusal(
        self,
        runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]],
        batch: ProbeBatch,
    ) -> None:
        # Working precision speaks first: it is what people run, and eagerly the plainest.
        ordered = sorted(runs.items(), key=lambda run: (run[0][0] != "working", run[0][1]))
        shapes = tuple(array.shape for array in batch.inputs)
        for position, side in enumerate((self.reference, self.candidate)):
            everywhere = all(
                pair[position].error is not None
                for (precision, _), pair in ordered
                if precision == "working"
            )
            for (precision, execution), pair in ordered:
                error = pair[position].error
                if error is None or (precision == "float64" and self._is_exact):
                    continue  # the float64 form alone never decides
                refusal = CallRefusal(side.name, execution, error, shapes, everywhere)
                raise Interrupted(refusal=refusal)

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
        sides = (self.reference, self.candidate)
        for side, outcome in zip(sides, pair, strict=True):
            if side.built.spec.select is not None:
                continue  # what a slice leaves of an unknown length cannot be foretold
            announced = tuple(flat_shapes([side.built.report.output_shape]))
            if all(map(_as_announced, announced, outcome.shapes)):
                continue
            surprise = ShapeSurprise(
                execution,
                tuple(array.shape for array in batch.inputs),
                announced,
                outcome.shapes,
                announced=side.name,
            )
            if any(has_foreign_layers(one.built) for one in sides):
                raise Interrupted(surprise=surprise)
            # Both announced the same and both give the same: Keras' own layers are at times wrong
            # about themselves, which leaves their values to be compared.
            self.misannounced = self.misannounced or surprise
            return


#: Outputs beyond this, from weights beyond use, say nothing: they overflow in one order of
#: summation and not in another.
LARGEST_INPUT = 1e12


def _within_reach(
    runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]],
) -> dict[tuple[Precision, Execution], tuple[Outcome, Outcome]]:
    """Put 0 in place of every element that any of the outputs overflows at, in all of them."""
    outcomes = [outcome for pair in runs.values() for outcome in pair]
    beyond = []
    for arrays in zip(*(outcome.outputs for outcome in outcomes), strict=True):
        if arrays[0].dtype.kind != "f":
            beyond.append(np.zeros(arrays[0].shape, dtype=bool))
            continue
        with np.errstate(invalid="ignore"):
            within = [np.abs(array.astype(np.float64)) <= LARGEST_INPUT for array in arrays]
        beyond.append(~np.all(within, axis=0))

    def tamed(outcome: Outcome) -> Outcome:
        outputs = tuple(
            np.where(flags, np.zeros((), output.dtype), output) if flags.any() else output
            for output, flags in zip(outcome.outputs, beyond, strict=True)
        )
        return replace(outcome, outputs=outputs)

    return {how: (tamed(one), tamed(other)) for how, (one, other) in runs.items()}


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
