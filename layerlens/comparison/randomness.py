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
from layerlens.models.execute.keras_runner import Outcome
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

#: How often each model is called at first, and how often altogether where nothing is evident yet;
#: how often in each round of fresh calls after that.
FIRST_CALLS, CALLS = 24, 64
ROUNDS = (24, 96, 384, 1536)
#: Chance, over all features together, of calling two equal distributions different.
FALSE_ALARM = 1e-9
#: Chance that the first calls, and a round, find anything to look at in equal distributions, and
#: how many features are looked at again.
EVIDENT, SUSPICION, MOST_SUSPECTS = 1e-6, 0.05, 16
#: How many first calls lay out what is measured: where a batch has many copies, and where not.
FEW_CALLS, MORE_CALLS = 4, 16
#: How many numbers the inputs or the outputs of one call may be, and how many samples.
MOST_NUMBERS, MOST_SAMPLES = 2**14, 2**12
SEEDS_APART = 1_000_003
#: How many numbers the inputs may be of which is seen whether they come out another way.
MOST_REPEATED = 2**13
#: Two equal calls agree to this share of the output's size, however TensorFlow orders its sums.
REPEATED = 1e-4
#: How often a model with layers that are not Keras' own is called to see if it repeats itself.
REPEATS = 6


def is_random(side: Side, values: Values, inputs: Sequence[Array]) -> bool:
    """Tell whether the output changes with the seed of the model's random streams."""
    if not side.working.is_random:
        return False
    several = _repeated(inputs)
    one = side.run(values, several, "float64", "traced_dynamic", seed=1)
    for seed in (2, 3):
        other = side.run(values, several, "float64", "traced_dynamic", seed=seed)
        if any(
            distance(left, right).any()
            for left, right in zip(one.outputs, other.outputs, strict=True)
        ):
            return True
    return False


def _repeated(inputs: Sequence[Array]) -> list[Array]:
    """Return small inputs many times over: what is rarely drawn is drawn for some of them."""
    copies = max(1, MOST_REPEATED // max(1, *(array.size for array in inputs)))
    return [np.concatenate([array] * copies) for array in inputs]


def is_restless(
    side: Side,
    values: Values,
    inputs: Sequence[Array],
    seen: Sequence[tuple[ProbeBatch, tuple[Array, ...]]],
) -> bool:
    """Tell whether a result changes from call to call with all seeds and states put back.

    `seen` are batches with what eager calls made of them earlier. Keras' own layers draw from
    streams that are seeded for every call; others may draw from elsewhere, or count their calls.
    """
    if not has_foreign_layers(side.built):
        return False
    executions: tuple[Execution, ...] = ("eager", "traced_dynamic")
    for execution in executions:
        first = side.run(values, inputs, "working", execution)
        for _ in range(REPEATS):
            if changed(first, side.run(values, inputs, "working", execution)):
                return True
    return any(
        changed(Outcome(outputs), side.run(values, batch.inputs, "working", "eager"))
        for batch, outputs in (*seen[:1], *seen[-1:])
    )


def changed(one: Outcome, other: Outcome) -> bool:
    """Tell whether two calls of one model came out another way, but for the order of its sums."""
    if one.error is not None or other.error is not None or one.shapes != other.shapes:
        return (one.error is None) != (other.error is None) or one.shapes != other.shapes
    for left, right in zip(one.outputs, other.outputs, strict=True):
        gap = distance(left, right)
        if left.dtype.kind == "f" and left.size:
            size = np.abs(np.where(np.isfinite(left), left, 0.0).astype(np.float64)).max()
            gap = np.where(gap > REPEATED * size, gap, 0.0)
        if gap.any():
            return True
    return False


# --- two distributions --------------------------------------------------------------------------


Finding = Literal["alike", "apart", "undecided"]


class CannotDraw(Exception):  # noqa: N818 (no fault: the models are judged without it)
    """A model does not take a batch."""


@dataclass(frozen=True)
class Draws:
    """How one batch is drawn from by both models: with which weights, and each sample how often."""

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
        """How often each sample is in a batch: many draws in one call, while inputs are small."""
        size = max(1, *(array.size for array in self.inputs))
        outputs = max(1, *(array.size for array in self._first[0]))
        most = min(MOST_NUMBERS // max(size, outputs), MOST_SAMPLES // self.samples)
        return 1 if self._bound else max(1, most)

    def pair(self) -> tuple[Float, Float]:
        """Return what a further call of each model gives, with seeds of their own."""
        several = [np.concatenate([array] * self.copies) for array in self.inputs]
        one, other = (
            numbers(self._call(place, several), self.copies, self.samples) for place in (0, 1)
        )
        return one, other

    def features(self) -> Features:
        """Lay out what is to be measured, by a few calls that are not measured themselves."""
        calls = [self.pair() for _ in range(FEW_CALLS if self.copies > FEW_CALLS else MORE_CALLS)]
        exact = self.reference.is_exact and self.candidate.is_exact
        return Features.of(
            [one for one, _ in calls],
            [other for _, other in calls],
            [array.shape[1:] for array in self._first[0]],
            RESOLUTION if exact else COARSE_RESOLUTION,
        )

    def is_finite(self) -> bool:
        """Whether both models give finite numbers alone, as far as one call tells."""
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
    def _bound(self) -> bool:
        """Whether a model was built for one batch size."""
        return any(side.built.batch_size for side in (self.reference, self.candidate))

    def _call(self, place: int, inputs: Sequence[Array]) -> tuple[Array, ...]:
        side = (self.reference, self.candidate)[place]
        # Far from the seeds of probes, and another for each call.
        seed = (self.seed * SEEDS_APART + next(self._used)) % 2**31
        outcome = side.run(self.weights[place], inputs, "float64", "traced_dynamic", seed=seed)
        if outcome.error is not None:
            raise CannotDraw
        return outcome.outputs


def compare_distributions(draws: Draws) -> Finding:
    """Tell whether the joint distributions of two models' random outputs are alike.

    First every feature (see `distributions`) of CALLS calls is held against its partner. Where one
    is suspicious, fresh calls decide, and of them only what was suspicious and deviates the same
    way again: a chance deviation does not come twice. Each round has four times the calls of
    the last. Equal distributions are found "apart" with a chance below FALSE_ALARM; suspicions that
    the last round neither confirms nor removes are "undecided".
    """
    try:
        features = draws.features()
        return _compared(draws, features)
    except CannotDraw:  # it was called on as many samples as no probe has
        return "undecided"


def _compared(draws: Draws, features: Features) -> Finding:
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
        fresh = Moments(), Moments()
        again = scores(*fresh, _gather(fresh, draws, features, calls, kept)) * signs[kept]
        if (again > _limit(FALSE_ALARM / MOST_SUSPECTS)).any():
            return "apart"
        kept = kept[again > _limit(SUSPICION / MOST_SUSPECTS)]
    return "undecided" if kept.size else "alike"


def _gather(
    moments: tuple[Moments, Moments],
    draws: Draws,
    features: Features,
    calls: int,
    kept: NDArray[np.intp] | None = None,
) -> Float:
    """Add the features of further calls, of those `kept` alone; return what rounding may leave."""
    close = np.zeros(0)
    for _ in range(calls):
        for own, values in zip(moments, draws.pair(), strict=True):
            found, close = features.of_call(values)
            own.add(found if kept is None else found[kept])
    return close if kept is None else close[kept]


def _greatest(z: Float, limit: float) -> NDArray[np.intp]:
    """Return where |z| is greatest, in order, as far as it is beyond a limit."""
    size = np.abs(z)
    order = np.argsort(-size, kind="stable")[:MOST_SUSPECTS]
    return order[size[order] > limit]


def _limit(level: float) -> float:
    """Return a z beyond which a normal number lies with less than this chance, on both sides."""
    return float(np.sqrt(-2.0 * np.log(level / 2.0)))  # P(|z| > t) <= 2 exp(-t²/2)
