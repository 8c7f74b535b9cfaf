from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerlens
from layerlens.models.build.constants import (
    as_float32,
    config_with_numbers,
    constant_groups,
    move_constants,
    one_sided_constants,
    spec_with_numbers,
)
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend

HELD = float(np.float32(0.3))
NEXT = float(np.nextafter(np.float32(0.3), np.float32(1)))


def model(type_: str, **arguments: Any) -> ModelSpec:
    return ModelSpec("m", "layers", layers=(LayerSpec(type_, arguments),), weights={"a": [1.0]})


def test_a_number_is_rounded_as_float32_holds_it() -> None:
    changed = spec_with_numbers(model("Rescaling", scale=0.3), as_float32)
    assert changed is not None
    assert changed.layers[0].arguments["scale"] == HELD
    assert changed.weights == {}  # they are set otherwise


def test_a_constant_moves_to_its_next_and_the_others_are_rounded() -> None:
    change = move_constants({HELD})
    assert change(0.3) == NEXT
    assert change(-0.3) == -NEXT
    assert change(0.1) == float(np.float32(0.1))
    assert as_float32(1e39) == 1e39


@pytest.mark.parametrize(
    "arguments",
    [
        {"scale": 0.5},
        {"scale": 6},
        {"scale": True, "name": "x", "offset": None},
        {"scale": [3, 3], "offset": [0.5, 0.25]},
        {"scale": 1.0, "rate": 0.3},
        {"scale": 1.0, "momentum": 0.99},
        {"scale": 1.0, "recurrent_dropout": 0.3},
        {"scale": 1.0, "a_initializer": {"class_name": "RandomNormal", "config": {"stddev": 0.05}}},
    ],
)
def test_what_float32_holds_or_outputs_do_not_depend_on_stays(arguments: dict[str, Any]) -> None:
    assert spec_with_numbers(model("Rescaling", **arguments), as_float32) is None
    config = {"class_name": "Rescaling", "config": arguments}
    assert config_with_numbers(config, as_float32) == config


@needs_backend
def test_a_number_left_to_the_default_is_changed_like_one_that_is_given() -> None:
    left, given = model("LeakyReLU"), model("LeakyReLU", negative_slope=0.3)
    changed = [spec_with_numbers(one, as_float32) for one in (left, given)]
    assert changed[0] is not None
    assert changed[0] == changed[1]


def test_layers_that_others_hold_are_changed_too() -> None:
    inner = LayerSpec("Rescaling", {"scale": 0.3})
    for held in (inner, (LayerSpec("Rescaling", {"scale": 1.0}), inner), {"inner": inner}):
        changed = spec_with_numbers(model("TimeDistributed", layer=held), as_float32)
        assert changed is not None
        assert str(HELD) in repr(changed.layers)


def test_the_nodes_of_a_graph_are_changed_and_shared_ones_stay() -> None:
    nodes = (
        NodeSpec("a", LayerSpec("Rescaling", {"scale": 0.3}), ("input",)),
        NodeSpec("b", None, ("a",), share="a"),
    )
    changed = spec_with_numbers(ModelSpec("m", "graph", nodes=nodes, outputs=("b",)), as_float32)
    assert changed is not None
    assert changed.nodes[0].layer is not None
    assert changed.nodes[0].layer.arguments["scale"] == HELD
    assert changed.nodes[1] == nodes[1]


@pytest.mark.parametrize("form", ["file", "python", "object"])
def test_what_is_not_described_layer_by_layer_is_changed_elsewhere(form: Any) -> None:
    spec = ModelSpec("m", form, layers=(LayerSpec("Rescaling", {"scale": 0.3}),))
    assert spec_with_numbers(spec, as_float32) is None


def test_a_saved_configuration_is_changed_at_every_depth() -> None:
    saved = {"config": {"layers": [{"config": {"slopes": [0.3, 0.5], "name": "a"}}]}, "dtype": 0.3}
    changed = config_with_numbers(saved, as_float32)
    assert changed["config"]["layers"][0]["config"]["slopes"] == [HELD, 0.5]
    assert changed["dtype"] == 0.3


def test_many_constants_are_moved_in_few_groups() -> None:
    assert constant_groups({3.0, 1.0, 2.0}, 2) == [{1.0}, {2.0, 3.0}]
    assert constant_groups({1.0}, 2) == [{1.0}]
    assert constant_groups((), 2) == []


def built(*layers: LayerSpec) -> Built:
    result = build_model(chain("m", *layers), (input_of(4),), allocate=False)
    assert isinstance(result, Built)
    return result


@needs_backend
def test_constants_that_both_have_or_that_are_nearly_alike_are_not_one_sided() -> None:
    def scaled(*scales: float) -> Built:
        return built(*(layer("Rescaling", scale=scale) for scale in scales))

    assert one_sided_constants(scaled(0.3), scaled(0.3000001)) == (set(), set())
    assert one_sided_constants(scaled(0.3, 0.5), scaled(-0.3)) == (set(), set())
    assert one_sided_constants(scaled(1000.0), scaled(1000.0, 999.9999)) == (set(), set())
    one, other = one_sided_constants(scaled(0.02), scaled(0.1, 0.2))
    assert one == {float(np.float32(0.02))}
    assert other == {float(np.float32(0.1)), float(np.float32(0.2))}


@needs_backend
@pytest.mark.parametrize(
    ("slope", "verdict"),
    [(0.30000001, "equivalent"), (0.30000004, "different"), (0.3000003, "different")],
)
def test_objects_with_slopes_that_float32_tells_apart_are_different(
    slope: float, verdict: str
) -> None:
    import keras

    models = {
        "one": keras.Sequential([keras.Input((4,)), keras.layers.LeakyReLU(0.3)]),
        "other": keras.Sequential([keras.Input((4,)), keras.layers.ReLU(negative_slope=slope)]),
    }
    (pair,) = layerlens.compare(models).scenarios[0].pairs
    assert pair.verdict == verdict
