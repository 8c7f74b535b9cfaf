"""Scaled weights keep the signal of a deep network alive, where drawn ones lose it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.models.execute.layer_walk import LayerWalk, graph_of
from layerlens.models.execute.scaled_weights import ScalingCall, draw_weights
from layerlens.numerics.weight_values import WeightSlot

pytestmark = pytest.mark.usefixtures("backend")

DEPTH = 24


def deep_model() -> Any:
    import keras

    layers = keras.layers
    tensor = inputs = keras.Input((12, 12, 4))
    for block in range(DEPTH):
        tensor = layers.DepthwiseConv2D(3, padding="same")(tensor)
        if block % 2:
            tensor = layers.BatchNormalization()(tensor)
        tensor = layers.Conv2D(8, 1, activation="relu")(tensor)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(tensor))


def slots(model: Any) -> list[WeightSlot]:
    return [WeightSlot(w.path, tuple(w.shape), str(w.dtype)) for w in model.weights]


def spread(model: Any, call: Any = None) -> float:
    """Return how far the outputs vary between samples."""
    import keras

    graph = graph_of(model)
    inputs = np.random.default_rng(1).standard_normal((4, 12, 12, 4)).astype("float32")
    more = () if call is None else (call,)
    known = {id(graph.inputs[0]): keras.ops.convert_to_tensor(inputs)}
    found = LayerWalk(graph).evaluate(known, [id(graph.outputs[0])], *more)
    return float(np.asarray(found[id(graph.outputs[0])]).std(axis=0).max())


def test_the_signal_reaches_the_outputs() -> None:
    model = deep_model()
    draw_weights(model.weights, slots(model), kept=(), seed=0)
    unscaled = spread(model)
    draw_weights(model.weights, slots(model), kept=(), seed=0)
    first = spread(model, ScalingCall(0, ()))
    assert 0.05 < first < 20.0
    assert not 0.05 < unscaled < 20.0
    assert spread(model) == pytest.approx(first, rel=1e-4)  # the weights stay


def test_weights_that_are_kept_are_neither_drawn_nor_scaled() -> None:
    model = deep_model()
    kernel = model.weights[2]
    before = np.asarray(kernel)
    draw_weights(model.weights, slots(model), kept={2}, seed=0)
    spread(model, ScalingCall(0, {id(kernel)}))
    np.testing.assert_array_equal(before, kernel)
    assert not np.array_equal(np.zeros(8), model.weights[3])


def test_a_depthwise_kernel_sees_one_channel() -> None:
    assert WeightSlot("kernel", (3, 3, 16, 1), "float32", is_depthwise=True).fan_in == 9
    assert WeightSlot("kernel", (3, 3, 16, 1), "float32").fan_in == 144
    assert WeightSlot("bias", (), "float32").fan_in == 1
