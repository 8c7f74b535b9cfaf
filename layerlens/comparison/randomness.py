"""Decide whether random outputs of two models have the same distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Array, Float
from layerlens.numerics.differences import distance
from layerlens.numerics.distributions import (
    COARSE_RESOLUTION,
    RESOLUTION,
    Features,
    Moments,
    numbers,
    scores,
)
from layerlens.numerics.probes import ProbeBatch
from layerlens.vocabulary import Execution

#: The number of first calls of each model, the total where these show nothing, and the number of
#: calls in each round after that.
FIRST_CALLS, CALLS = 24, 64
ROUNDS = (24, 96, 384, 1536)
#: The probability, over all features together, of calling two equal distributions different.
FALSE_ALARM = 1e-9
#: The probability that the first calls, and all of them, find a suspicious feature in equal
#: distributions, and the greatest number of features that are examined further.
EVIDENT, SUSPICION, MAX_SUSPECTS = 1e-6, 0.05, 16
#: The number of calls that determine the features: where a batch has many copies, and otherwise.
FEW_CALLS, MORE_CALLS = 4, 16
#: The greatest number of scalars in the inputs or the outputs of one call, and of samples.
MAX_BATCH_SCALARS, MAX_SAMPLES = 2**14, 2**12
SEED_STRIDE = 1_000_003
#: The number of scalars up to which an input is tiled to test whether outputs are random.
MAX_REPEATED_SCALARS = 2**13
#: Two equal calls agree to this share of the output's size, in whatever order sums are taken.
REPEAT_RTOL = 1e-4
#: How often a model with custom layers is called to find out whether results are repeatable.
REPEAT_CALLS = 6


def is_random(side: Side, values: Values, inputs: Sequence[Array]) -> bool:
    """Return whether the output changes with the seed of the model's random streams."""
    if not side.working.is_random:
        return False
    tiled = _tiled(inputs)
    one = side.run(values, tiled, "float64", "traced_dynamic", seed=1)
    for seed in (2, 3):
        other = side.run(values, tiled, "float64", "traced_dynamic", seed=seed)
        if any(
            distance(left, right).any()
            for left, right in zip(one.outputs, other.outputs, strict=True)
        ):
            return True
    return False


def _tiled(inputs: Sequence[Array]) -> list[Array]:
    """Return small inputs repeated along the batch axis, so that rare draws occur in some copy."""
    copies = max(1, MAX_REPEATED_SCALARS // max(1, *(array.size for array in inputs)))
    return [np.concatenate([array] * copies) for array in inputs]


def is_unrepeatable(
    side: Side,
    values: Values,
    inputs: Sequence[Array],
    seen: Sequence[tuple[ProbeBatch, tuple[Array, ...]]],
) -> bool:
    """Return whether a result changes from call to call with all seeds and states reset.

    `seen` are batches with the outputs of earlier eager calls. Keras' own layers draw from streams
    that are seeded for each call; custom layers may draw from elsewhere, or count their calls.
    """
    if not has_foreign_layers(side.built):
        return False
    executions: tuple[Execution, ...] = ("eager", "traced_dynamic")
    for execution in executions:
        first = side.run(values, inputs, "working", execution)
        for _ in range(REPEAT_CALLS):
            if changed(first, side.run(values, inputs, "working", execution)):
                return True
    return any(
        changed(Outcome(outputs), side.run(values, batch.inputs, "working", "eager"))
        for batch, outputs in (*seen[:1], *seen[-1:])
    )


def changed(one: Outcome, other: Outcome) -> bool:
    """Return whether two calls of one model differ by more than the order of sums explains."""
    if one.error is not None or other.error is not None or one.shapes != other.shapes:
        return (one.error is None) != (other.error is None) or one.shapes != other.shapes
    for left, right in zip(one.outputs, other.outputs, strict=True):
        difference = distance(left, right)
        if left.dtype.kind == "f" and left.size:
            size = np.abs(np.where(np.isfinite(left), left, 0.0).astype(np.float64)).max()
            difference = np.where(difference > REPEAT_RTOL * size, difference, 0.0)
        if difference.any():
            return True
    return False


# --- two distributions --------------------------------------------------------------------------


Finding = Literal["alike", "apart", "undecided"]


class CannotDraw(Exception):  # noqa: N818 (not an error: the distributions stay undecided)
    """A model refuses a batch."""


@dataclass(frozen=True)
class Draws:
    """Calls of both models on one batch, each with a new seed and many copies of each sample."""

    reference: Side
    candidate: Side
    weights: tuple[Values, Values]
    inputs: Sequence[Array]
    seed: int
    #: No seed is used twice.
    _used: count[int] = field(default_factory=lambda: count(1))

    @cached_property
    def samples(self) -> int:
        return len(self.inputs[0])

    @cached_property
    def copies(self) -> int:
        """The number of copies of each sample in a batch, for many draws in one call."""
        size = max(1, *(array.size for array in self.inputs))
        outputs = max(1, *(array.size for array in self._first[0]))
        most_copies = min(MAX_BATCH_SCALARS // max(size, outputs), MAX_SAMPLES // self.samples)
        return 1 if self._has_fixed_batch_size else max(1, most_copies)

    def pair(self) -> tuple[Float, Float]:
        """Return the outputs of one more call of each model, each with a new seed."""
        tiled = [np.concatenate([array] * self.copies) for array in self.inputs]
        one, other = (
            numbers(self._call(model_index, tiled), self.copies, self.samples)
            for model_index in (0, 1)
        )
        return one, other

    def features(self) -> Features:
        """Determine the features to measure, by a few calls that are not measured themselves."""
        calls = [self.pair() for _ in range(FEW_CALLS if self.copies > FEW_CALLS else MORE_CALLS)]
        exact = self.reference.is_exact and self.candidate.is_exact
        return Features.of(
            [one for one, _ in calls],
            [other for _, other in calls],
            [array.shape[1:] for array in self._first[0]],
            RESOLUTION if exact else COARSE_RESOLUTION,
        )

    def is_finite(self) -> bool:
        """Return whether all outputs of the first call of both models are finite."""
        return all(
            bool(np.isfinite(array).all())
            for arrays in self._first
            for array in arrays
            if array.dtype.kind == "f"
        )

    @cached_property
    def _first(self) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        return self._call(0, self.inputs), self._call(1, self.inputs)

    @property
    def _has_fixed_batch_size(self) -> bool:
        """Whether a model is built for one batch size."""
        return any(side.built.batch_size for side in (self.reference, self.candidate))

    def _call(self, model_index: int, inputs: Sequence[Array]) -> tuple[Array, ...]:
        side = (self.reference, self.candidate)[model_index]
        # A seed that differs from those of probes and of other calls.
        seed = (self.seed * SEED_STRIDE + next(self._used)) % 2**31
        outcome = side.run(
            self.weights[model_index], inputs, "float64", "traced_dynamic", seed=seed
        )
        if outcome.error is not None:
            raise CannotDraw
        return outcome.outputs


def compare_distributions(draws: Draws) -> Finding:
    """Return whether the joint distributions of two models' random outputs are alike.

    First every feature (see `distributions`) of CALLS calls is compared. Where some are suspicious,
    new calls decide: only a feature that deviates again in the same direction stays suspicious, as
    a chance deviation rarely repeats. Each round has four times the calls of the last. Equal
    distributions are found "apart" with a probability below FALSE_ALARM. Features that the last
    round neither confirms nor clears are "undecided".
    """
    try:
        features = draws.features()
        return _compare(draws, features)
    except CannotDraw:  # these batches are larger than those of the probes
        return "undecided"


def _compare(draws: Draws, features: Features) -> Finding:
    moments = Moments(), Moments()
    kept, signs = np.zeros(0, dtype=np.intp), np.zeros(0)
    for calls, level in ((FIRST_CALLS, EVIDENT), (CALLS - FIRST_CALLS, SUSPICION)):
        z = scores(*moments, _gather(moments, draws, features, calls))
        kept, signs = _greatest(z, _limit(level / z.size)), np.sign(z)
        if kept.size:
            break
    for calls in ROUNDS:
        if not kept.size:
            return "alike"
        new_moments = Moments(), Moments()
        new_scores = (
            scores(*new_moments, _gather(new_moments, draws, features, calls, kept)) * signs[kept]
        )
        if (new_scores > _limit(FALSE_ALARM / MAX_SUSPECTS)).any():
            return "apart"
        kept = kept[new_scores > _limit(SUSPICION / MAX_SUSPECTS)]
    return "undecided" if kept.size else "alike"


def _gather(
    moments: tuple[Moments, Moments],
    draws: Draws,
    features: Features,
    calls: int,
    kept: NDArray[np.intp] | None = None,
) -> Float:
    """Add the features of more calls, only the `kept` ones; return the effect of rounding."""
    rounding = np.zeros(0)
    for _ in range(calls):
        for own, values in zip(moments, draws.pair(), strict=True):
            found, rounding = features.of_call(values)
            own.add(found if kept is None else found[kept])
    return rounding if kept is None else rounding[kept]


def _greatest(z: Float, limit: float) -> NDArray[np.intp]:
    """Return the indices of the greatest |z| above a limit, in order."""
    size = np.abs(z)
    order = np.argsort(-size, kind="stable")[:MAX_SUSPECTS]
    return order[size[order] > limit]


def _limit(level: float) -> float:
    """Return a limit that the size of a normal number exceeds with less than this probability."""
    return float(np.sqrt(-2.0 * np.log(level / 2.0)))  # P(|z| > t) <= 2 exp(-t²/2)
