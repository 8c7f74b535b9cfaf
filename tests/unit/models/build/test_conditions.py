"""The inputs of a model are restricted to a condition, and masks are found where they are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.errors import ScenarioError
from layerlens.models.build.conditions import Padding, paddings_of, under_condition
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import Condition

pytestmark = pytest.mark.usefixtures("backend")

STEPS = {"x": {"shape": [3, 2]}, "m": {"shape": [3], "dtype": "bool"}}
WEIGHTS = {"x": {"shape": [3, 2]}, "m": {"shape": [3]}}


def built(inputs: Any, model: Any) -> Built:
    models = {"a": model, "b": model}
    (scenario,) = scenario_from_mapping({"inputs": inputs, "models": models})
    result = build_model(scenario.models[0], scenario.inputs)
    assert isinstance(result, Built), result.report.error
    return result


def graph(**nodes: Any) -> dict[str, Any]:
    return {"graph": nodes, "outputs": [list(nodes)[-1]]}


def restricted(inputs: Any, condition: Condition, paddings: set[Padding], *given: Any) -> Any:
    """Return what a model that returns its first input gives under a condition."""
    one = built(inputs, graph(out={"Identity": {}, "from": ["x"]}))
    model = under_condition(one, condition, paddings, seed=0).model
    return np.asarray(model(given[0] if len(given) == 1 else list(given)))


def test_masked_steps_become_steps_in_the_range() -> None:
    x = np.array([[[0, 0], [0, 0.25], [0.25, 0.75]]], "float32")
    condition = Condition(unpadded=True, least=0.0, greatest=0.5)
    found = restricted({"x": {"shape": [3, 2]}}, condition, {Padding(0, 0.0)}, x)
    assert np.all(np.any(found != 0, axis=-1))
    assert found.min() >= 0
    assert found.max() <= 0.5
    assert found[0, 1:].tolist() == [[0, 0.25], [0.25, 0.5]]


@pytest.mark.parametrize("least", [None, 0.0, -2.0])
@pytest.mark.parametrize("greatest", [None, 1.0, 3.0])
def test_no_step_of_any_mask_value_is_left(least: float | None, greatest: float | None) -> None:
    paddings = {Padding(0, value) for value in (0.0, 1.0, -1e9)}
    x = np.array([[[0, 0], [1, 1], [-1e9, -1e9]]], "float32")
    condition = Condition(unpadded=True, least=least, greatest=greatest)
    found = restricted({"x": {"shape": [3, 2]}}, condition, paddings, x)
    for value in (0.0, 1.0, -1e9):
        assert np.all(np.any(found != np.float32(value), axis=-1))
    assert least is None or found.min() >= least
    assert greatest is None or found.max() <= greatest


def test_given_values_hold_no_id_0_and_integers_no_mask_value() -> None:
    ids = {"x": {"values": [[0, 1], [2, 0]], "dtype": "int32"}}
    condition = Condition(unpadded=True)
    found = restricted(ids, condition, {Padding(0)}, np.array([[0, 1], [2, 0]], "int32"))
    assert found.tolist() == [[1, 1], [2, 1]]
    steps = {"x": {"shape": [2, 1], "dtype": "int32", "low": 0, "high": 5}}
    x = np.array([[[3], [0]]], "int32")
    assert restricted(steps, condition, {Padding(0, 3.0)}, x).tolist() == [[[1], [0]]]


@pytest.mark.parametrize(
    "node",
    [
        {"LSTM": 2, "from": ["x"], "call": {"mask": "input:m"}},
        {"Attention": {}, "from": ["x", "x"], "call": {"mask": ["input:m", "input:m"]}},
        {"MultiHeadAttention": {"num_heads": 1, "key_dim": 2}, "from": ["x", "x", "x", "m"]},
    ],
    ids=["named", "listed", "by position"],
)
def test_an_input_that_is_a_mask_is_found(node: Any) -> None:
    found = set(paddings_of(built(STEPS, graph(out=node))))
    assert found == {Padding(1, is_mask=True)}


def test_a_mask_that_a_layer_computes_is_refused() -> None:
    model = graph(
        k={"Activation": "relu", "from": ["m"]},
        out={"LSTM": 2, "from": ["x"], "call": {"mask": "node:k"}},
    )
    with pytest.raises(ScenarioError, match="`out` is given a mask, but not from an input"):
        list(paddings_of(built(WEIGHTS, model)))


def test_a_mask_that_is_given_inside_a_nested_model_is_found() -> None:
    inner = graph(deep={"LSTM": 2, "from": ["x"], "call": {"mask": "input:m"}})
    model = graph(out={"Functional": {"inputs": STEPS, **inner}, "from": ["x", "m"]})
    assert set(paddings_of(built(STEPS, model))) == {Padding(1, is_mask=True)}


def test_a_mask_that_is_made_inside_a_nested_model_is_found() -> None:
    deep = {"Sequential": [{"Sequential": [{"Masking": {"mask_value": 2.0}}]}, {"LSTM": 2}]}
    steps = {"x": {"shape": [3, 2]}}
    assert set(paddings_of(built(steps, [deep, {"Dense": 2}]))) == {Padding(0, 2.0)}
    with pytest.raises(ScenarioError, match="`masking` makes a mask, but not from an input"):
        list(paddings_of(built(steps, [{"Dense": 2}, deep])))


def test_a_mask_inside_a_wrapper_is_refused() -> None:
    inner = {"Sequential": [{"Masking": {"mask_value": 2.0}}, {"LSTM": 2}]}
    wrapped = {"TimeDistributed": {"layer": inner}}
    with pytest.raises(ScenarioError, match="`masking` makes a mask, but not from an input"):
        list(paddings_of(built({"x": {"shape": [4, 3, 2]}}, [wrapped])))


def test_masks_that_keras_adds_are_those_of_their_input() -> None:
    model = graph(
        masked={"Masking": {"mask_value": 2.0}, "from": ["x"]},
        one={"LSTM": {"units": 2, "return_sequences": True}, "from": ["masked"]},
        out={"LSTM": 2, "from": ["one"]},
    )
    assert set(paddings_of(built({"x": {"shape": [3, 2]}}, model))) == {Padding(0, 2.0)}


def test_a_batch_that_the_model_does_not_take_is_refused() -> None:
    values = {"x": {"values": [[[0.0, 1.0]], [[2.0, 3.0]]]}}
    one = built(values, [{"GRU": {"units": 2, "stateful": True}}])
    with pytest.raises(ScenarioError, match="takes batches of 2"):
        under_condition(one, Condition(batch=1), (), seed=0)
    assert under_condition(one, Condition(batch=2), (), seed=0).batch_size == 2


def test_fewer_steps_than_chunks_are_refused() -> None:
    layers = [{"GRU": {"units": 2, "stateful": True}}]
    one = built({"x": {"shape": [None, 2]}}, {"layers": layers, "chunks": 3})
    with pytest.raises(ScenarioError, match="is called on 3 chunks, of at least one step each"):
        under_condition(one, Condition(lengths=2), (), seed=0)
    assert under_condition(one, Condition(lengths=3), (), seed=0).inputs[0].longest == 3
