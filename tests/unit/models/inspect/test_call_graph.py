"""The calls between tensors come in the order in which they were made, without mask calls."""

from __future__ import annotations

import keras
import pytest

from layerlens.models.inspect.call_graph import (
    calls_between,
    data_inputs,
    is_input_call,
    producing_call,
    upstream_names,
)

pytestmark = pytest.mark.usefixtures("backend")


def names(inputs: list[object], outputs: list[object]) -> list[str]:
    return [node.operation.name for node in calls_between(inputs, outputs)]


def test_branches_come_in_the_order_of_their_calls() -> None:
    given = keras.Input((3,), name="given")
    right = keras.layers.Dense(2, name="right")(given)
    left = keras.layers.Dense(2, name="left")(given)
    both = keras.layers.Add(name="both")([left, right])
    keras.layers.Dense(2, name="unused")(left)
    assert names([given], [both]) == ["given", "right", "left", "both"]
    assert names([right, left], [both]) == ["right", "left", "both"]


def test_a_shared_layer_is_called_twice() -> None:
    given = keras.Input((3,), name="given")
    shared = keras.layers.Dense(3, name="shared")
    assert names([given], [shared(shared(given))]) == ["given", "shared", "shared"]


def test_a_chain_may_be_deeper_than_the_stack_of_python() -> None:
    given = tensor = keras.Input((3,))
    relu = keras.layers.ReLU()
    for _ in range(1500):
        tensor = relu(tensor)
    assert len(calls_between([given], [tensor])) == 1501


def test_masks_are_no_data() -> None:
    given = keras.Input((4, 3), name="given")
    masked = keras.layers.Masking(name="masking")(given)
    output = keras.layers.LSTM(2, name="lstm")(masked)
    node = producing_call(output)
    assert data_inputs(node) == [masked]
    assert names([given], [output]) == ["given", "masking", "lstm"]


def test_an_attention_mask_is_data() -> None:
    given, mask = keras.Input((4, 3)), keras.Input((4, 4), dtype="bool")
    attention = keras.layers.MultiHeadAttention(1, 2)
    node = producing_call(attention(given, given, attention_mask=mask))
    assert [id(one) for one in data_inputs(node)] == [id(given), id(given), id(mask)]


def test_the_names_before_a_tensor_end_at_several_inputs() -> None:
    given = keras.Input((3,), name="given")
    dense = keras.layers.Dense(2, name="dense")(given)
    assert upstream_names(keras.layers.ReLU(name="relu")(dense)) == ("relu", "dense", "given")
    joined = keras.layers.Add(name="joined")([dense, dense])
    assert upstream_names(keras.layers.ReLU(name="last")(joined)) == ("last", "joined")


def test_only_symbolic_tensors_have_a_call() -> None:
    given = keras.Input((3,))
    assert is_input_call(producing_call(given))
    assert not is_input_call(producing_call(keras.layers.ReLU()(given)))
    assert producing_call(keras.ops.ones((2,))) is None
    assert not is_input_call(None)
