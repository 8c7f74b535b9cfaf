"""Asserted params and shapes as expectations."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.spec import (
    Expectations,
    LayerExpectation,
    ModelExpectation,
    ModelSpec,
    Scenario,
)
from layerlens.testing.asserted_figures import expectations_of, is_figure

MODELS = (ModelSpec("td", "layers"), ModelSpec("dense", "layers"))
OWN = Expectations(
    models={
        "td": ModelExpectation(
            params=10,
            trainable_params=8,
            output_shape=(None, 3),
            layers={"gru": LayerExpectation(params=6, output_shape=(None, 2))},
        )
    }
)
SCENARIO = Scenario("gru.yaml", "td vs dense", MODELS, "td", expect=OWN)


@pytest.mark.parametrize("value", [15, (None, 3), [None, 64, 15], [(None, 3), (None, 5)]])
def test_counts_and_shapes_are_figures(value: Any) -> None:
    assert is_figure(value)


@pytest.mark.parametrize("value", [True, 1.5, "15", {"td": 15}, ["td"], object()])
def test_other_values_are_not_figures(value: Any) -> None:
    assert not is_figure(value)


def test_one_value_is_expected_of_every_model() -> None:
    found = expectations_of(SCENARIO, "params", 15, {}, {"trainable_params": None})
    assert found.models == {
        "td": ModelExpectation(params=15),
        "dense": ModelExpectation(params=15),
    }


def test_a_mapping_of_models_names_those_that_are_meant() -> None:
    found = expectations_of(SCENARIO, "output_shape", {"dense": (None, 3)}, {}, {})
    assert found.models == {"dense": ModelExpectation(output_shape=(None, 3))}


def test_a_mapping_of_layers_joins_those_of_the_argument() -> None:
    scenario = Scenario("<python>", "td", MODELS[:1], "td")
    found = expectations_of(scenario, "params", {"gru": 6}, {"dense": 4}, {"trainable_params": 2})
    assert found.models == {
        "td": ModelExpectation(
            trainable_params=2,
            layers={"gru": LayerExpectation(params=6), "dense": LayerExpectation(params=4)},
        )
    }


def test_without_values_the_scenario_s_own_expectations_of_the_figure_are_meant() -> None:
    more = {"trainable_params": None}
    assert expectations_of(SCENARIO, "params", None, {}, more).models == {
        "td": ModelExpectation(
            params=10, trainable_params=8, layers={"gru": LayerExpectation(params=6)}
        )
    }
    assert expectations_of(SCENARIO, "output_shape", None, {}, {}).models == {
        "td": ModelExpectation(
            output_shape=(None, 3), layers={"gru": LayerExpectation(output_shape=(None, 2))}
        )
    }
