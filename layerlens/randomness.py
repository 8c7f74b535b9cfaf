"""Two sides with random outputs become one answer: are the outputs alike in distribution?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerlens.comparing import distance
from layerlens.domains import has_foreign_layers
from layerlens.measuring import Outcome
from layerlens.probes import Array, ProbeBatch, generator
from layerlens.report import Execution
from layerlens.sides import Side, Values

CALLS = 240
#: Chance, over all statistics together, of calling two equal distributions different.
FALSE_ALARM = 1e-9
#: Two equal calls agree to this share of the output's size, however TensorFlow orders its sums.
REPEATED = 1e-4
#: How many numbers the inputs of one call may hold for it to be made with more of them.
MOST_DRAWN = 4096
#: How often a model with layers that are not Keras' own is called to see if it repeats itself.
REPEATS = 6


def is_random(side: Side, values: Values, inputs: Sequence[Array]) -> bool:
    """Tell whether the output changes with the seed of the model's random streams."""
    if not side.working.is_random:
        return False
    one = side.run(values, inputs, "float64", "traced_dynamic", seed=1)
    for seed in (2, 3):
        other = side.run(values, inputs, "float64", "traced_dynamic", seed=seed)
        if any(
            distance(left, right).any()
            for left, right in zip(one.outputs, other.outputs, strict=True)
        ):
            return True
    return False


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
            if _changed(first, side.run(values, inputs, "working", execution)):
                return True
    return any(
        _changed(Outcome(outputs), side.run(values, batch.inputs, "working", "eager"))
        for batch, outputs in (*seen[:1], *seen[-1:])
    )


def _changed(one: Outcome, other: Outcome) -> bool:
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


def distributions_differ(
    reference: Side,
    candidate: Side,
    weights: tuple[Values, Values],
    inputs: Sequence[Array],
    seed: int,
) -> bool:
    """Tell whether the outputs' joint distributions were found to differ.

    Both models are called CALLS times with different seeds. Every element is held against its
    partner in mean and in spread; so are several statistics of each call (value, size, square,
    share of zeros, random projections, how neighbours along every axis go together), of the
    outputs and of their deviations from the mean over all calls: by Welch's z, and in shape by the
    two-sample Kolmogorov-Smirnov distance, at a family-wise level of FALSE_ALARM.
    """
    several = _repeated(inputs)
    one = _calls(reference, weights[0], several, seed)
    other = _calls(candidate, weights[1], several, seed + CALLS)
    centres = [(a.mean(axis=0) + b.mean(axis=0)) / 2.0 for a, b in zip(one, other, strict=True)]
    ours, theirs = _statistics(one, centres), _statistics(other, centres)
    elements = [
        (a.reshape(CALLS, -1), b.reshape(CALLS, -1)) for a, b in zip(one, other, strict=True)
    ]
    count = ours.shape[1]
    level = FALSE_ALARM / (3 * count + 2 * sum(a.shape[1] for a, _ in elements))
    if any(_moments_differ(a, b, level) for a, b in ((ours, theirs), *elements)):
        return True
    # Two-sample KS: P(D > c·sqrt(2/n)) <= 2·exp(-2c²) (Smirnov's limit).
    reach = np.sqrt(-0.5 * np.log(level / 2.0)) * np.sqrt(2.0 / CALLS)
    return any(_ks(ours[:, k], theirs[:, k]) > reach for k in range(count))


def _repeated(inputs: Sequence[Array]) -> list[Array]:
    """Return small inputs several times over, so that one call draws many random numbers."""
    size = max(1, sum(array.size for array in inputs))
    times = max(1, min(8, MOST_DRAWN // size))
    return [np.concatenate([array] * times) for array in inputs]


def _moments_differ(one: NDArray[np.float64], other: NDArray[np.float64], level: float) -> bool:
    centre = (one.mean(axis=0) + other.mean(axis=0)) / 2.0
    return _means_differ(one, other, level) or _means_differ(
        (one - centre) ** 2, (other - centre) ** 2, level
    )


def _means_differ(one: NDArray[np.float64], other: NDArray[np.float64], level: float) -> bool:
    spread = np.sqrt((one.var(axis=0) + other.var(axis=0)) / CALLS)
    gap = np.abs(one.mean(axis=0) - other.mean(axis=0))
    scale = np.abs(one).max(axis=0) + np.abs(other).max(axis=0)
    # Two-sided normal tail: P(|z| > t) <= exp(-t²/2).
    limit = np.sqrt(-2.0 * np.log(level / 2.0))
    return bool((gap > limit * spread + 1e-9 * scale).any())


def _calls(
    side: Side, values: Values, inputs: Sequence[Array], seed: int
) -> list[NDArray[np.float64]]:
    """Return each output of all calls as one array, the calls first."""
    outcomes = [
        side.run(values, inputs, "float64", "traced_dynamic", seed=seed + call).outputs
        for call in range(CALLS)
    ]
    return [np.stack(same).astype(np.float64) for same in zip(*outcomes, strict=True)]


def _statistics(
    calls: Sequence[NDArray[np.float64]], centres: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    deviations = [output - centre for output, centre in zip(calls, centres, strict=True)]
    rows = [
        np.concatenate(
            [
                _of_one_call([output[call] for output in calls]),
                _of_one_call([output[call] for output in deviations]),
            ]
        )
        for call in range(CALLS)
    ]
    return np.asarray(rows)


def _of_one_call(outputs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    flat = np.concatenate([output.ravel() for output in outputs])
    projections = generator(0, "projections", flat.size).standard_normal((6, flat.size))
    return np.concatenate(
        [
            projections @ flat / np.sqrt(flat.size),
            [flat.mean(), np.abs(flat).mean(), (flat**2).mean(), (flat == 0).mean()],
            [flat.max(), flat.min()],
            *map(_neighbours, outputs),
        ]
    )


def _neighbours(output: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, along every axis, how often neighbours vanish together and how their sizes agree."""
    found = []
    for axis in range(output.ndim):
        if output.shape[axis] < 2:
            continue
        later = np.delete(output, 0, axis=axis)
        earlier = np.delete(output, -1, axis=axis)
        found += [np.mean((later == 0) & (earlier == 0)), np.mean(np.abs(later * earlier))]
        found.append(np.mean(later * earlier))
    return np.asarray(found)


def _ks(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    points = np.concatenate([one, other])
    below = np.searchsorted(np.sort(one), points, side="right") / len(one)
    under = np.searchsorted(np.sort(other), points, side="right") / len(other)
    return float(np.abs(below - under).max())
