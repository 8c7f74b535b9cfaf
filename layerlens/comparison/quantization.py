"""Judge a quantised file: whether every output is within what its own steps allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerlens.comparison.frozen_observer import FrozenObserver
from layerlens.models.execute.side import Side, Values
from layerlens.models.runtimes.foreign import ForeignModel, Step
from layerlens.numerics.arrays import Array, greatest_index
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import Judgement, Witness, as_different
from layerlens.numerics.noise_floor import ROUNDOFF32, ROUNDOFFS
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import generator
from layerlens.plain import stage

#: A file with float16 weights may err as float16 rounds; from so many times as much it is wrong.
_HALF = ROUNDOFFS["float16"] / ROUNDOFF32
_HALF_REAL = 2.0**3
#: A file with whole numbers is wrong where most samples, or the mean error of an output over all
#: samples, are from so many times their bound. Right files were seen at up to 0.72 and 0.78 times.
_WHOLE_REAL = 4.0
#: Runs with changes of half a step, in pairs of opposite ones.
_DRAWS = 16
#: The bound of a mean error in standard deviations of those that the runs show. Half a step is
#: 1.7 times the standard deviation of what rounding to the nearest step leaves.
_DEVIATIONS = 3.0
#: The greatest whole number of a quantised weight.
_GREATEST = 127.0


@dataclass(frozen=True, slots=True)
class _Bound:
    """How many times beyond its bound each sample is, and the element that is farthest beyond."""

    samples: NDArray[np.float64]
    witness: Witness
    #: How many times beyond its bound the mean error over all samples is.
    mean: float = 0.0


@dataclass(frozen=True, slots=True)
class _Changes:
    """What half a step changes: each element, and its mean over all samples."""

    elements: NDArray[np.float64]
    means: NDArray[np.float64]


def judge_quantized(
    model: ForeignModel, observed: FrozenObserver, judgement: Judgement
) -> Judgement:
    """Return the judgement on a file that is quantised, which is never equivalent."""
    if not observed.side.is_exact:
        reason = "the model that it is compared with has no float64 form, which the bound needs"
        return replace(judgement, verdict="inconclusive", witness=None, reason=reason)
    stage.enter("measuring what quantisation may change")
    if model.quantized == "float16":
        bounds = [_beyond_half(seen) for seen in observed.observations]
        real, rounded = _HALF_REAL, "rounding its weights to float16"
    else:
        bounds = [_beyond_steps(model.steps, observed, seen) for seen in observed.observations]
        real, rounded = _WHOLE_REAL, "half a step in every weight and result"
    found = [one for one in bounds if one is not None]
    if not found:
        reason = "what quantisation may change could not be measured"
        return replace(judgement, verdict="inconclusive", witness=None, reason=reason)
    worst = max(found, key=lambda one: float(one.samples.max()))
    samples = np.concatenate([one.samples for one in found])
    ratio = float(samples.max())
    mean = max(one.mean for one in found)
    told = f"the greatest is {ratio:.2g} times what {rounded} may change"
    if mean > 1.0:
        told += f", and the mean over all samples {mean:.2g} times"
    if max(ratio, mean) <= 1.0:
        return replace(
            judgement, verdict="within_quantization", witness=None, reason=told, ratio=ratio
        )
    typical = ratio if model.quantized == "float16" else max(float(np.median(samples)), mean)
    if typical >= real and worst.witness.mismatches:
        return replace(as_different(judgement, worst.witness, told), ratio=ratio)
    return replace(
        judgement,
        verdict="inconclusive",
        witness=None,
        ratio=ratio,
        reason=f"{told}: too much for quantisation, and too little for a real difference",
    )


def _beyond_half(seen: Observation) -> _Bound | None:
    limits = [_HALF * noise.working for noise in seen.noise]
    return _beyond(seen, limits)


def _beyond_steps(
    steps: Sequence[Step], observed: FrozenObserver, seen: Observation
) -> _Bound | None:
    base, _ = observed.of_live(seen)
    values = observed.weights[seen.weights]
    changes = _changes(observed.side, values, seen.batch.inputs, base, steps, observed.pair.seed)
    if changes is None:
        return None
    bound = _beyond(seen, [one.elements for one in changes])
    if bound is None:
        return None
    mean = 0.0
    for k, change in enumerate(changes):
        gap = seen.candidate64[k].astype(np.float64) - seen.reference64[k].astype(np.float64)
        shift = np.abs(_mean(gap))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(shift == 0, 0.0, shift / change.means)
        mean = max(mean, float(np.nan_to_num(ratio, nan=np.inf).max(initial=0.0)))
    return replace(bound, mean=mean)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over all axes but the last."""
    return np.asarray(values.mean(axis=tuple(range(max(values.ndim - 1, 0)))))


def _beyond(seen: Observation, limits: Sequence[NDArray[np.float64]]) -> _Bound | None:
    worst: tuple[float, Witness] | None = None
    samples = np.zeros(len(seen.batch.inputs[0]))
    for k, limit in enumerate(limits):
        gap = distance(seen.reference64[k], seen.candidate64[k])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(gap == 0, 0.0, gap / limit)
        if not ratio.size or len(ratio) != len(samples):
            continue
        samples = np.maximum(samples, ratio.reshape(len(ratio), -1).max(axis=1))
        if worst is None or float(ratio.max()) > worst[0]:
            worst = float(ratio.max()), Witness(seen, k, greatest_index(ratio))
    return None if worst is None else _Bound(samples, worst[1])


def _changes(
    side: Side,
    values: Values,
    inputs: Sequence[Array],
    base: Sequence[Array],
    steps: Sequence[Step],
    seed: int,
) -> list[_Changes] | None:
    """Return how far each output moves with half a step in inputs, weights and results.

    For each position of the last axis it is the greatest of all samples and draws: the error of
    one sample may be small by chance. The mean over all samples moves less, mostly by the weights.
    """
    runner = side.float64.keras
    if runner is None:
        return None
    by_shape = steps_by_shape(steps)
    moved = [np.zeros(output.shape) for output in base]
    squares = [np.zeros(output.shape[-1:]) for output in base]
    for draw in range(_DRAWS // 2):
        rng = generator(seed, "quantized", draw)
        changed = tuple(_stepped(value, _weight_step(value), rng) for value in values)
        given = [_stepped(one, by_shape.get(one.shape[1:], 0.0), rng) for one in inputs]
        side.hold(changed, "float64")
        outcomes = runner.run_quantized_at_random(given, by_shape, draws=2)
        side.forget()
        for outcome in map(side.selected, outcomes):
            if outcome.shapes != tuple(output.shape for output in base):
                return None
            for k, output in enumerate(outcome.outputs):
                moved[k] = np.maximum(moved[k], distance(base[k], output))
                change = output.astype(np.float64) - base[k].astype(np.float64)
                squares[k] = squares[k] + _mean(change) ** 2 / _DRAWS
        if not outcomes:
            return None
    greatest = [
        np.broadcast_to(one.max(axis=tuple(range(max(one.ndim - 1, 0))), keepdims=True), one.shape)
        for one in moved
    ]
    means = [_DEVIATIONS * np.sqrt(one) for one in squares]
    return [_Changes(*each) for each in zip(greatest, means, strict=True)]


def steps_by_shape(steps: Sequence[Step]) -> Mapping[tuple[int, ...], float]:
    """Return shape per sample → the greatest step of the results of that shape."""
    found: dict[tuple[int, ...], float] = {}
    for step in steps:
        found[step.shape] = max(step.size, found.get(step.shape, 0.0))
    return found


def _weight_step(value: Array) -> NDArray[np.float64] | float:
    """Return the step of a weight: one for each output of a kernel; biases are hardly rounded."""
    if value.dtype.kind != "f" or value.ndim < 2 or not value.size:
        return 0.0
    sizes = np.abs(value.astype(np.float64)).max(axis=tuple(range(value.ndim - 1)))
    return np.asarray(sizes / _GREATEST)


def _stepped(value: Array, step: NDArray[np.float64] | float, rng: np.random.Generator) -> Array:
    if value.dtype.kind != "f":
        return value
    return np.asarray(value.astype(np.float64) + rng.choice([-0.5, 0.5], value.shape) * step)
