"""Numbers that a trace computes, parses or looks up are found in its graph."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from layerlens.models.execute.graph_constants import constants_in_graph, may_hold_constants
from layerlens.models.execute.tracing import trace_call
from layerlens.scenario.spec import ModelSpec
from tests.unit.models.execute.runners import runner
from tests.unit.tables.pairs import input_of

TABLE = np.array([0.3, -77.5], "float32")


@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        (lambda x: tf.where(x > 3.7 * 3.7, x + 1, x), {np.float32(3.7 * 3.7)}),
        (lambda x: x + float("0.125"), {0.125}),
        (lambda x: tf.maximum(x, tf.constant(TABLE)), set(TABLE.tolist())),
        (lambda x: x + tf.cast(tf.shape(x)[0] > 41, x.dtype), {41.0}),
        (lambda x: x * 3.0 + 8.0, set()),  # probes meet small whole numbers anyway
        (lambda x: x + tf.constant([1e-45, np.inf]), set()),
        (lambda x: x[:, :2] + tf.constant(np.arange(40.0, 60.0)[:2], x.dtype), {40.0, 41.0}),
        (lambda x: tf.matmul(x, tf.constant(np.linspace(10, 20, 8).reshape(2, 4), x.dtype)), set()),
    ],
)
def test_numbers_in_graphs(call: Any, numbers: set[float]) -> None:
    function = trace_call(call, [tf.TensorSpec([None, 2], tf.float32)])
    assert set(constants_in_graph(function)) == numbers


def of(outputs: Any, inputs: Any) -> Any:
    model = keras.Model(inputs, outputs)
    return runner(ModelSpec("m", "object", given=model), input_of(2)).built


def test_graphs_of_user_code_and_operations_are_worth_a_look() -> None:
    inputs = keras.Input((2,))
    assert may_hold_constants(of(inputs + 1.0, inputs))
    assert may_hold_constants(of(keras.layers.Lambda(lambda x: x)(inputs), inputs))
    assert not may_hold_constants(of(keras.layers.Dense(2)(inputs), inputs))
