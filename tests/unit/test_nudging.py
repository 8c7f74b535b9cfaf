from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.nudging import nudged
from layerlens.scenario import LayerSpec, ModelSpec, NodeSpec


def model(type_: str, **arguments: Any) -> ModelSpec:
    return ModelSpec("m", "layers", layers=(LayerSpec(type_, arguments),), weights={"a": [1.0]})


def test_a_number_float32_cannot_hold_moves_by_one_of_its_units() -> None:
    moved = nudged(model("LeakyReLU", negative_slope=0.3))
    assert moved is not None
    slope = moved.layers[0].arguments["negative_slope"]
    assert slope == float(np.nextafter(np.float32(0.3), np.float32(1)))
    assert 0 < abs(slope - 0.3) < 1e-7
    assert moved.weights == {}  # they are set otherwise


def test_a_negative_number_moves_away_from_nought() -> None:
    moved = nudged(model("Rescaling", scale=-0.1))
    assert moved is not None
    assert moved.layers[0].arguments["scale"] < -0.1


@pytest.mark.parametrize(
    "arguments",
    [
        {"negative_slope": 0.5},
        {"max_value": 6},
        {"flag": True, "name": "x", "nothing": None},
        {"kernel_size": [3, 3], "scale": [0.5, 0.25]},
        {"rate": 0.3},
        {"momentum": 0.99},
        {"recurrent_dropout": 0.3},
        {"kernel_initializer": {"class_name": "RandomNormal", "config": {"stddev": 0.05}}},
        {"kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.01}}},
    ],
)
def test_what_float32_holds_or_outputs_do_not_depend_on_stays(arguments: dict[str, Any]) -> None:
    assert nudged(model("Layer", **arguments)) is None


def test_only_the_numbers_that_need_it_move() -> None:
    moved = nudged(model("ReLU", max_value=6.0, threshold=0.1))
    assert moved is not None
    assert moved.layers[0].arguments["max_value"] == 6.0
    assert moved.layers[0].arguments["threshold"] != 0.1


def test_layers_that_others_hold_are_moved_too() -> None:
    inner = LayerSpec("LeakyReLU", {"negative_slope": 0.3})
    for held in (inner, (LayerSpec("ReLU"), inner), {"inner": inner}):
        moved = nudged(model("Wrapper", layer=held))
        assert moved is not None
        assert "0.3," not in repr(moved.layers)
        assert "0.30000001" in repr(moved.layers) or "0.3000000" in repr(moved.layers)


def test_numbers_in_lists_are_moved() -> None:
    moved = nudged(model("Normalization", mean=[0.1, 0.5]))
    assert moved is not None
    first, second = moved.layers[0].arguments["mean"]
    assert first != 0.1
    assert second == 0.5


def test_the_nodes_of_a_graph_are_moved_and_shared_ones_stay() -> None:
    nodes = (
        NodeSpec("a", LayerSpec("ELU", {"alpha": 0.3}), ("input",)),
        NodeSpec("b", None, ("a",), share="a"),
    )
    moved = nudged(ModelSpec("m", "graph", nodes=nodes, outputs=("b",)))
    assert moved is not None
    assert moved.nodes[0].layer is not None
    assert moved.nodes[0].layer.arguments["alpha"] != 0.3
    assert moved.nodes[1] == nodes[1]


@pytest.mark.parametrize("form", ["file", "python", "object"])
def test_what_is_not_described_layer_by_layer_cannot_be_moved(form: Any) -> None:
    assert nudged(ModelSpec("m", form, layers=(LayerSpec("ELU", {"alpha": 0.3}),))) is None
