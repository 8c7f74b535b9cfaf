"""Random outputs are compared by distribution, whatever their random streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.comparison.randomness import Draws, Finding, compare_distributions, is_random
from layerlens.scenario.spec import LayerSpec
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

STEPS = input_of(6, 4)
Chain = tuple[LayerSpec, ...]


def found(one: LayerSpec | Chain, other: LayerSpec | Chain, seed: int = 0, **more: Any) -> Finding:
    chains = (made if isinstance(made, tuple) else (made,) for made in (one, other))
    pair = (chain(name, *made) for name, made in zip(("one", "other"), chains, strict=True))
    work = prepared(*pair, more.get("input", STEPS), training=True)
    inputs = work.scaled_inputs(more.get("factor", 1.0))
    draws = Draws(work.reference, work.candidate, work.main_values(), inputs, seed)
    return compare_distributions(draws)


DROPOUT = layer("Dropout", rate=0.5)
NOISE = layer("GaussianNoise", stddev=0.1)
DENSE = layer("Dense", units=3)

ALIKE: dict[str, tuple[LayerSpec | Chain, LayerSpec | Chain]] = {
    "another order of streams": (
        (NOISE, DROPOUT, DENSE),
        (layer("Dropout", rate=0.0), NOISE, DROPOUT, DENSE),
    ),
    "shared by all steps": (
        layer("SpatialDropout1D", rate=0.5),
        layer("Dropout", rate=0.5, noise_shape=(None, 1, 4), seed=3),
    ),
    "shared by the batch": (
        layer("Dropout", rate=0.5, noise_shape=(1, 6, 4)),
        layer("Dropout", rate=0.5, noise_shape=(1, 6, 4), seed=3),
    ),
    "flips twice": (
        layer("RandomFlip", mode="horizontal"),
        layer("RandomFlip", mode="horizontal", seed=4),
    ),
}

APART: dict[str, tuple[LayerSpec | Chain, LayerSpec | Chain]] = {
    # the same mean and spread, or the same distribution of each value alone
    "whole steps": (DROPOUT, layer("Dropout", rate=0.5, noise_shape=(None, 6, 1))),
    "the same for the batch": (DROPOUT, layer("Dropout", rate=0.5, noise_shape=(1, 6, 4))),
    "normal factors": (DROPOUT, layer("GaussianDropout", rate=0.5)),
    "a thousandth in size": (DROPOUT, (DROPOUT, layer("Rescaling", scale=1.001))),
    "before weights": ((DROPOUT, DENSE), (DENSE, DROPOUT)),
}


@pytest.mark.parametrize("name", ALIKE)
def test_equal_distributions_are_alike(name: str) -> None:
    given = input_of(6, 6, 2) if "flips" in name else STEPS
    assert found(*ALIKE[name], input=given) == "alike"


@pytest.mark.parametrize("name", APART)
def test_a_different_distribution_is_found(name: str) -> None:
    one, other = APART[name]
    swapped, seed = len(name) % 2, len(name) % 5  # neither may matter
    assert found(*((other, one) if swapped else (one, other)), seed) == "apart"


def test_a_change_of_size_shows_beside_noise_from_far() -> None:
    assert found(NOISE, (NOISE, layer("Rescaling", scale=1.001)), factor=1e3) == "apart"


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
