from __future__ import annotations

from typing import Any

import keras
import pytest

from layerlens.models.build.request import Built
from layerlens.models.execute.computed_shapes import (
    ComputedShapes,
    WrongShape,
    agree,
    computed_shapes,
)
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.models.variants import ModelVariants
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")

GLU = {"Activation": "glu"}
UNEQUAL = {
    "Bidirectional": {
        "layer": {"LSTM": {"units": 2}},
        "backward_layer": {"LSTM": {"units": 3, "go_backwards": True}},
    }
}


def model(layers: Any, *shape: int | None, **more: Any) -> Built:
    (scenario,) = scenario_from_mapping(
        {"input": {"shape": list(shape)}, "models": {"one": {"layers": layers, **more}}},
        least_models=1,
    )
    built = ModelVariants(scenario, RunOptions()).build_all()["one"]
    assert isinstance(built, Built)
    return built


@pytest.mark.parametrize(
    ("layers", "shape", "announced", "computed"),
    [
        ([GLU], (8,), (None, 8), (None, 4)),
        ([{"Dense": {"units": 6, "activation": "glu"}}], (8,), (None, 6), (None, 3)),
        ([GLU], (None, 8), (None, None, 8), (None, None, 4)),
        ([UNEQUAL], (4, 3), (None, 4), (None, 5)),
        ([{"Sequential": ["ReLU", GLU]}], (8,), (None, 8), (None, 4)),
        ([GLU, "ReLU"], (8,), (None, 8), (None, 4)),
    ],
)
def test_the_first_layer_with_a_wrong_shape_is_named(
    layers: Any, shape: Any, announced: Any, computed: Any
) -> None:
    found = computed_shapes(model(layers, *shape), training=False)
    assert found is not None
    assert found.outputs == (computed,)
    assert found.wrong is not None
    assert found.wrong.layer.split("_")[0] in ("activation", "dense", "bidirectional")
    assert (found.wrong.announced, found.wrong.computed) == (announced, computed)


def test_right_shapes_are_as_announced() -> None:
    built = model([{"LSTM": {"units": 2, "stateful": True}}, {"Dropout": 0.5}], 4, 3)
    before = [keras.ops.convert_to_numpy(weight).tolist() for weight in built.model.variables]
    assert computed_shapes(built, training=True) == ComputedShapes(((None, 2),))
    after = [keras.ops.convert_to_numpy(weight).tolist() for weight in built.model.variables]
    assert after == before, "a trace changes no weights and no states"
    assert not any("call" in vars(layer) for layer in flat_layers(built.model))


def test_a_model_is_traced_once_a_mode() -> None:
    built = model([GLU], 8)
    found = computed_shapes(built, training=False)
    assert computed_shapes(built, training=False) is found
    assert computed_shapes(built, training=True) == found


def test_the_selected_part_counts() -> None:
    found = computed_shapes(model([GLU], 8, select="[:, :3]"), training=False)
    assert found is not None
    assert found == ComputedShapes(((None, 3),), WrongShape("activation", (None, 8), (None, 4)))


def test_a_layer_that_was_built_for_the_announced_size_cannot_be_traced() -> None:
    assert computed_shapes(model([GLU, {"Dense": 2}], 8), training=False) is None


def test_open_sizes_agree_with_any() -> None:
    assert agree((None, 3), (7, 3))
    assert agree((7, 3), (None, None))
    assert not agree((None, 3), (7, 4))
    assert not agree((None, 3), (7, 3, 1))
