"""Passing weights keep a change of the inputs, however deep the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.models.execute.layer_walk import LayerWalk, graph_of, nodes_of
from layerlens.models.execute.passing_weights import _orthogonal, most_linear
from layerlens.models.execute.scaled_weights import ScalingCall, draw_weights
from layerlens.numerics.weight_values import WeightSlot

pytestmark = pytest.mark.usefixtures("backend")

DEPTH = 120


def dense_chain(activation: str, depth: int = DEPTH) -> Any:
    import keras

    tensor = inputs = keras.Input((6,))
    for _ in range(depth):
        tensor = keras.layers.Dense(6, activation=activation)(tensor)
    return keras.Model(inputs, tensor)


def convolutions(separate: bool) -> Any:
    import keras

    layers = keras.layers
    tensor = inputs = keras.Input((6, 6, 4))
    for _ in range(DEPTH // 4):
        tensor = layers.DepthwiseConv2D(3, padding="same", activation="relu")(tensor)
        tensor = layers.Conv2D(4, 3, padding="same", groups=2, use_bias=not separate)(tensor)
        if separate:
            tensor = layers.BatchNormalization()(tensor)
        tensor = layers.Activation("relu")(tensor)
    return keras.Model(inputs, tensor)


def slots(model: Any) -> list[WeightSlot]:
    return [WeightSlot(w.path, tuple(w.shape), str(w.dtype)) for w in model.weights]


def change_kept(model: Any, *, passing: bool) -> float:
    """Return how much of a change of the inputs reaches the outputs."""
    graph = graph_of(model)
    nodes = [id(node) for node in nodes_of(graph)] if passing else ()
    shape = (4, *graph.inputs[0].shape[1:])
    inputs = np.random.default_rng(1).normal(0.0, 0.1, shape).astype("float32")
    LayerWalk(graph).evaluate(
        {id(graph.inputs[0]): inputs}, [id(graph.outputs[0])], ScalingCall(0, (), 1.0, nodes)
    )
    change = np.random.default_rng(2).normal(0.0, 1e-2, shape).astype("float32")
    one, other = (np.asarray(model(array)) for array in (inputs, inputs + change))
    return float(np.linalg.norm(other - one) / np.linalg.norm(change))


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu", "sigmoid", "silu", "relu6"])
def test_a_change_reaches_the_end_of_a_deep_chain(activation: str) -> None:
    model = dense_chain(activation)
    assert 0.1 < change_kept(model, passing=True) < 10.0


def test_scaled_weights_lose_it() -> None:
    model = dense_chain("tanh", 3 * DEPTH)
    draw_weights(model.weights, slots(model), kept=(), seed=0)
    assert change_kept(model, passing=False) < 1e-4


@pytest.mark.parametrize("separate", [False, True])
def test_convolutions_and_normalizations_pass_it_on(separate: bool) -> None:
    assert 0.1 < change_kept(convolutions(separate), passing=True) < 10.0


def test_an_activation_is_used_where_it_is_linear() -> None:
    import keras

    functions = keras.activations
    assert most_linear(functions.relu) == (1.0, 1.0)
    assert most_linear(functions.linear) == (1.0, 1.0)
    place, slope = most_linear(functions.sigmoid)
    assert (place, round(slope, 3)) == (0.0, 0.25)
    assert most_linear(functions.silu)[0] == 3.0
    assert most_linear(functions.softmax) == (1.0, 1.0)  # has no slope of its own


def test_an_activation_that_takes_the_outputs_of_its_layer_alone_has_no_place_of_its_own() -> None:
    import keras

    def over_steps(x: Any) -> Any:
        _, steps, _ = x.shape
        return keras.ops.softmax(x, axis=1) * steps

    assert most_linear(over_steps) == (1.0, 1.0)
    assert most_linear(keras.ops.sum) == (1.0, 1.0)


@pytest.mark.parametrize(("rows", "columns"), [(7, 5), (300, 150), (130, 400), (200, 3)])
def test_kernels_of_any_size_keep_the_size_of_a_change(rows: int, columns: int) -> None:
    kernel = _orthogonal(rows, columns, np.random.default_rng(0))
    assert kernel.shape == (rows, columns)
    square = kernel.T @ kernel if rows >= columns else kernel @ kernel.T
    np.testing.assert_allclose(square, np.eye(min(rows, columns)), atol=1e-12)
