"""Run both models on one batch with one set of weights, in every way of calling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerlens.comparison.randomness import changed
from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Precision, Side, sensitivities
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.numerics.differences import distance
from layerlens.numerics.noise_floor import (
    ROUNDOFF32,
    ROUNDOFF64,
    coarse_margin,
    floor_without_float64,
    input_scale,
    noise_floor,
)
from layerlens.numerics.observation import CallRefusal, Observation, ShapeSurprise
from layerlens.numerics.probes import ProbeBatch
from layerlens.numerics.weight_values import OVERFLOWING
from layerlens.proof.shared_prefix import SharedPrefix
from layerlens.vocabulary import Execution


class Interrupted(Exception):  # noqa: N818 (not an error: it carries a finding)
    """Raised to end an examination early, with the refusal or shape that decides the verdict."""

    def __init__(self, refusal: CallRefusal | None = None, surprise: ShapeSurprise | None = None):
        super().__init__()
        self.refusal = refusal
        self.surprise = surprise


#: How many samples are run without the rest of their batch, and the relative change of their
#: outputs from which the rest of the batch matters.
FEW_SAMPLES = 3
BATCH_EFFECT_RTOL = 1e-9


@dataclass
class Observer:
    """Runs both models of a pair on the same weights and inputs."""

    reference: Side
    candidate: Side
    seed: int
    #: The layers both begin with, where calling these eagerly once instead of twice saves time.
    shared_prefix: SharedPrefix | None = None
    _is_randomness_checked: bool = False
    _changes_with_seed: bool = False

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
        """Run both models in float64, and in working precision in each execution.

        Returns one observation per execution. `outside_allowed` returns none where both models
        refuse the batch, such as a length that is too short. `chosen` is for samples that were
        searched for because the outputs differ on them. Where only a float64 form refuses, both
        models are run in working precision alone from then on.

        Raises:
            Interrupted: a model refused the batch, or returned an unexpected shape.
        """
        self._check_randomness(weights, batch)
        runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]] = {}
        wanted: list[tuple[Precision, Execution]] = [("float64", "traced_dynamic")]
        wanted += [("working", execution) for execution in executions]
        started = {key: self.start(weights, batch, *key, seed) for key in wanted}
        for key, (one, other) in started.items():
            pair = runs[key] = one(), other()
            if outside_allowed and _both_refuse(pair):
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
            runs = _without_overflow(runs)
        base = runs["float64", "traced_dynamic"]
        first = runs["working", executions[0]]
        draws = 2 if weights.kind in ("initial", "drawn") else 1
        effects = sensitivities(
            (self.reference, self.candidate),
            (weights.reference, weights.candidate),
            batch.inputs,
            base,
            self.seed,
            draws,
        )
        # A random stream differs between the precisions, so it does not show rounding.
        finest_outcomes = (
            base if self.is_random else self._finest_outcomes(weights, batch, base, seed)
        )
        noise = tuple(
            noise_floor(
                (finest_outcomes[0].outputs[k], finest_outcomes[1].outputs[k]),
                (base[0].outputs[k], base[1].outputs[k])
                if self.is_random
                else (first[0].outputs[k], first[1].outputs[k]),
                (effects[0][k], effects[1][k]),
                input_scale(batch.inputs, base[0].outputs[k]),
                pooled=chosen,
                unit=ROUNDOFF32 if self._is_exact else self.unit,
            )
            for k in range(len(base[0].outputs))
        )
        if not self._is_exact:
            noise = tuple(floor_without_float64(floor, self.unit) for floor in noise)
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

    def _finest_outcomes(
        self,
        weights: WeightSet,
        batch: ProbeBatch,
        base: tuple[Outcome, Outcome],
        seed: int | None,
    ) -> tuple[Outcome, Outcome]:
        """Return each model's outputs in the finest precision that it has, to measure rounding."""
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
        """Return whether a float64 form refuses what every working-precision call accepts.

        Keras lacks float64 kernels for some operations, which is not a property of the model.
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

    def depends_on_batch(self, weights: WeightSet, seen: Observation) -> bool:
        """Return whether either model's outputs depend on the other samples of a batch.

        The first few samples are run again in reverse order, without the rest.
        """
        few = [array[:FEW_SAMPLES][::-1] for array in seen.batch.inputs]
        for side, values, outputs in (
            (self.reference, weights.reference, seen.reference64),
            (self.candidate, weights.candidate, seen.candidate64),
        ):
            smaller = side.run(values, few, "float64", "traced_dynamic")
            if smaller.error is not None:
                continue  # other batch sizes are observed separately
            for one, whole in zip(smaller.outputs, outputs, strict=True):
                if not whole.ndim or one.shape != (min(FEW_SAMPLES, len(whole)), *whole.shape[1:]):
                    continue  # a slice may mix or drop samples
                same, size = whole[:FEW_SAMPLES][::-1], 1.0
                if one.dtype.kind == "f":
                    size = float(np.abs(same[np.isfinite(same)]).max(initial=1.0))
                if (distance(one, same) > BATCH_EFFECT_RTOL * size).any():
                    return True
        return False

    def start(
        self,
        weights: WeightSet,
        batch: ProbeBatch,
        precision: Precision,
        execution: Execution,
        seed: int | None,
    ) -> tuple[Callable[[], Outcome], Callable[[], Outcome]]:
        """Start both models; the returned functions wait for their outcomes."""
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
        """The relative size of one rounding inside the models, as used in a noise floor."""
        if self._is_exact:
            return ROUNDOFF64
        return self.unit / coarse_margin(self.unit)

    @property
    def unit(self) -> float:
        """The unit roundoff of the coarser model."""
        return max(self.reference.unit, self.candidate.unit)

    @property
    def _is_exact(self) -> bool:
        return self.reference.is_exact and self.candidate.is_exact

    @property
    def is_random(self) -> bool:
        """Whether outputs may be random; each precision then draws different numbers."""
        seeded = self.reference.working.is_random or self.candidate.working.is_random
        return (self.reference.training and seeded) or self._changes_with_seed

    def _check_randomness(self, weights: WeightSet, batch: ProbeBatch) -> None:
        """Find out, once, whether outputs of custom layers change with the seed.

        Such layers may have random streams of their own, and draw in inference as well.
        """
        if self._is_randomness_checked:
            return
        self._is_randomness_checked = True
        pairs = (self.reference, weights.reference), (self.candidate, weights.candidate)
        for side, values in pairs:
            if not has_foreign_layers(side.built):
                continue
            one, other = (
                side.run(values, batch.inputs, "float64", "traced_dynamic", seed=self.seed + draw)
                for draw in (0, 1)
            )
            self._changes_with_seed = self._changes_with_seed or changed(one, other)

    def _stop_on_refusal(
        self,
        runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]],
        batch: ProbeBatch,
    ) -> None:
        # Report a refusal in working precision first, since users run that, and eager before all.
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
                    continue  # a refusal of the float64 form alone decides nothing
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
            # Where both agree, the expected shape is that of the reference called eagerly.
            against = expected if one.shapes == other.shapes else one.shapes
            shapes = tuple(array.shape for array in batch.inputs)
            raise Interrupted(surprise=ShapeSurprise(execution, shapes, against, other.shapes))


#: Greater outputs of extreme weights are ignored: they overflow in one order of summation and not
#: in another.
MAX_OUTPUT = 1e12


def _without_overflow(
    runs: dict[tuple[Precision, Execution], tuple[Outcome, Outcome]],
) -> dict[tuple[Precision, Execution], tuple[Outcome, Outcome]]:
    """Set each element that overflows in any of the outputs to 0 in all of them."""
    outcomes = [outcome for pair in runs.values() for outcome in pair]
    overflowing = []
    for arrays in zip(*(outcome.outputs for outcome in outcomes), strict=True):
        if arrays[0].dtype.kind != "f":
            overflowing.append(np.zeros(arrays[0].shape, dtype=bool))
            continue
        with np.errstate(invalid="ignore"):
            in_range = [np.abs(array.astype(np.float64)) <= MAX_OUTPUT for array in arrays]
        overflowing.append(~np.all(in_range, axis=0))

    def zeroed(outcome: Outcome) -> Outcome:
        outputs = tuple(
            np.where(flags, np.zeros((), output.dtype), output) if flags.any() else output
            for output, flags in zip(outcome.outputs, overflowing, strict=True)
        )
        return replace(outcome, outputs=outputs)

    return {key: (zeroed(one), zeroed(other)) for key, (one, other) in runs.items()}


def _both_refuse(pair: tuple[Outcome, Outcome]) -> bool:
    """Return whether both models refuse an input, or return empty outputs as it is too short."""
    return all(
        outcome.error is not None or any(output.size == 0 for output in outcome.outputs)
        for outcome in pair
    )
