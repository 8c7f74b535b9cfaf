"""Features of draws: what differs in distribution shows, and rounding and overflow do not."""

from __future__ import annotations

import numpy as np
import pytest

from layerlens.numerics.arrays import Array, Float
from layerlens.numerics.distributions import RESOLUTION, Features, Moments, numbers, scores

COPIES, SAMPLES, ELEMENTS, CALLS = 40, 2, 3, 60
BATCH = (COPIES * SAMPLES, ELEMENTS)


def greatest(one: list[Array], other: list[Array]) -> float:
    """Return the greatest score over all features of calls of one output."""
    sides = [[numbers([call], COPIES, SAMPLES) for call in calls] for calls in (one, other)]
    features = Features.of(sides[0][:4], sides[1][:4], [(ELEMENTS,)], RESOLUTION)
    moments = Moments(), Moments()
    close: Float = np.zeros(0)
    for own, calls in zip(moments, sides, strict=True):
        for call in calls[4:]:
            found, close = features.of_call(call)
            own.add(found)
    return float(np.abs(scores(*moments, close)).max())


def normal(seed: int, spread: float = 1.0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [spread * rng.standard_normal(BATCH) for _ in range(CALLS)]


def test_equal_draws_score_low_and_another_spread_scores_high() -> None:
    assert greatest(normal(1), normal(2)) < 5
    assert greatest(normal(1), normal(2, 1.15)) > 10


def test_a_shape_of_the_same_mean_and_spread_scores_high() -> None:
    rng = np.random.default_rng(0)
    uniform = [np.sqrt(3.0) * rng.uniform(-1, 1, BATCH) for _ in range(CALLS)]
    assert greatest(normal(1), uniform) > 10


def test_values_that_overflow_leave_the_rest_to_be_compared() -> None:
    def spoiled(calls: list[Array]) -> list[Array]:
        for call in calls:
            call[::SAMPLES, 0] = np.inf
            call[1::SAMPLES, 1] = np.nan
        return calls

    assert greatest(spoiled(normal(1)), spoiled(normal(2))) < 5
    assert greatest(spoiled(normal(1)), spoiled(normal(2, 1.2))) > 10
    assert greatest(normal(1), spoiled(normal(2))) == np.inf  # how often it overflows is a fact


def test_rounding_moves_no_feature_even_where_draws_have_few_values() -> None:
    rng = np.random.default_rng(0)
    coins = [[rng.integers(0, 2, BATCH) * 3.0 for _ in range(CALLS)] for _ in range(2)]
    blurred = [call * (1.0 + 1e-15 * rng.standard_normal(BATCH)) for call in coins[1]]
    assert greatest(coins[0], blurred) < 5
    assert greatest(coins[0], [call * 1.0001 for call in coins[1]]) > 10


@pytest.mark.parametrize("axis", [0, 1], ids=["in the batch", "in a sample"])
def test_what_is_shared_scores_high_though_each_value_is_the_same(axis: int) -> None:
    shape = (1, ELEMENTS) if axis == 0 else (BATCH[0], 1)
    rng = np.random.default_rng(0)
    shared = [np.broadcast_to(rng.standard_normal(shape), BATCH) for _ in range(CALLS)]
    assert greatest(normal(1), shared) > 8


def test_an_output_without_a_batch_axis_is_one_sample_and_words_are_numbers() -> None:
    assert numbers([np.zeros(5)], COPIES, SAMPLES).shape == (1, 1, 5)
    words = numbers([np.array([[b"a"], [b"b"], [b"a"], [b"b"]], object)], 2, 2)
    assert (words[0] == words[1]).all()
    assert words[0, 0] != words[0, 1]
