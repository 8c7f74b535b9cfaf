"""Random outputs are held against each other by distribution, whatever their streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.randomness import distributions_differ, is_random
from layerlens.scenario import LayerSpec
from tests.unit.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

STEPS = input_of(6, 4)


def differ(one: LayerSpec, other: LayerSpec, seed: int = 0) -> bool:
    work = prepared(chain("one", one), chain("other", other), STEPS, training=True)
    both = work.reference, work.candidate
    return distributions_differ(*both, work.main_values(), work.generic_inputs(), seed)


DROPOUT = layer("Dropout", rate=0.5)


@pytest.mark.parametrize("seed", [0, 1])
def test_another_seed_is_the_same_distribution(seed: int) -> None:
    assert not differ(layer("Dropout", rate=0.5, seed=1), layer("Dropout", rate=0.5, seed=2), seed)


@pytest.mark.parametrize(
    "other",
    [
        layer("SpatialDropout1D", rate=0.5),  # each value alone is distributed the same
        layer("Dropout", rate=0.4),
        layer("Dropout", rate=0.5, noise_shape=(None, 1, 4)),
        layer("AlphaDropout", rate=0.5),
        layer("GaussianDropout", rate=0.5),  # the same mean and spread
    ],
    ids=lambda one: f"{one.type}{'' if one.arguments['rate'] == 0.5 else one.arguments['rate']}",
)
def test_another_distribution_is_told(other: LayerSpec) -> None:
    assert differ(DROPOUT, other)


def test_two_noises_of_one_spread_are_alike_and_of_two_are_not() -> None:
    noise = layer("GaussianNoise", stddev=0.5)
    assert not differ(noise, layer("GaussianNoise", stddev=0.5, seed=3))
    assert differ(noise, layer("GaussianNoise", stddev=0.7))


@pytest.mark.parametrize(
    ("one", "training", "random"),
    [
        (DROPOUT, True, True),
        (DROPOUT, False, False),
        (layer("Dropout", rate=0.0), True, False),
        (layer("ReLU"), True, False),
    ],
)
def test_only_what_changes_with_the_seed_is_random(
    one: LayerSpec, training: bool, random: bool
) -> None:
    work = prepared(chain("one", one), chain("other", one), STEPS, training=training)
    values = work.main_values()[0]
    assert is_random(work.reference, values, work.generic_inputs()) is random


def test_a_random_layer_behind_one_that_zeroes_is_not_random() -> None:
    zeroed = chain("m", DROPOUT, layer("Rescaling", scale=0.0))
    work = prepared(zeroed, zeroed, STEPS, training=True)
    assert not is_random(work.reference, work.main_values()[0], work.generic_inputs())


def test_one_seed_is_one_result() -> None:
    work = prepared(chain("one", DROPOUT), chain("other", DROPOUT), STEPS, training=True)
    inputs = work.generic_inputs()

    def outcome(seed: int) -> Any:
        return work.reference.run((), inputs, "float64", "traced_dynamic", seed=seed).outputs[0]

    np.testing.assert_array_equal(outcome(1), outcome(1))
    assert not np.array_equal(outcome(1), outcome(2))
