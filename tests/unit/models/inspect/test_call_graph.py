"""The calls between tensors come in the order in which they were made, without mask calls."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from layerlens.models.inspect.call_graph import (
    calls_between,
    data_inputs,
    given_masks,
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


def test_layers_that_lead_to_a_mask_given_by_hand_are_on_the_way() -> None:
    given, flags = keras.Input((4, 3), name="given"), keras.Input((4,), name="flags")
    score = keras.layers.Dense(1, name="score")(given)
    mask = keras.layers.Reshape((4,), name="mask")(score)
    output = keras.layers.LSTM(2, name="lstm")(given, mask=mask)
    assert [name for name, _ in given_masks(producing_call(output))] == ["mask"]
    assert names([given], [output]) == ["given", "score", "mask", "lstm"]
    compared = keras.layers.LSTM(2, name="lstm")(given, mask=keras.ops.greater(mask, 0))
    assert names([given], [compared]) == ["given", "score", "mask", "lstm"]
    of_input = keras.layers.LSTM(2, name="lstm")(given, mask=flags)
    assert names([given, flags], [of_input]) == ["given", "flags", "lstm"]


def test_a_mask_that_keras_adds_is_not_given_by_hand(tmp_path: Path) -> None:
    given = keras.Input((4, 3), name="given")
    hidden = keras.layers.Dense(3, name="dense")(given)
    masked = keras.layers.Masking(name="masking")(hidden)
    model = keras.Model(given, keras.layers.LSTM(2, name="lstm")(masked))
    assert given_masks(producing_call(model.output)) == []
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, again):
        assert names(one.inputs, one.outputs) == ["given", "dense", "masking", "lstm"]


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
