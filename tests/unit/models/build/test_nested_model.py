"""Models in the place of layers are built with their layers, names and frozen weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.errors import ScenarioError
from layerlens.models.build.request import Built, Refused
from layerlens.models.build_model import build_model
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import Scenario

pytestmark = pytest.mark.usefixtures("backend")


def build(model: Any, shape: list[int] | dict[str, Any], **options: Any) -> Built | Refused:
    inputs = {"inputs": shape} if isinstance(shape, dict) else {"input": {"shape": shape}}
    scenario: Scenario
    (scenario,) = scenario_from_mapping({**inputs, "models": {"a": model}}, least_models=1)
    return build_model(scenario.models[0], scenario.inputs, **options)


def made(model: Any, shape: list[int] | dict[str, Any], **options: Any) -> Built:
    result = build(model, shape, **options)
    assert isinstance(result, Built), result.report.error
    return result


def test_a_nested_model_has_a_table_of_its_own() -> None:
    base = {"Sequential": {"layers": [{"Dense": 3}, "ReLU"], "name": "base", "trainable": False}}
    report = made([base, {"Dense": 2}], [4]).report
    row, head = report.layers
    assert (row.name, row.type, row.params, row.output_shape) == (
        "base",
        "Sequential",
        15,
        (None, 3),
    )
    assert [inner.path for inner in row.holds] == ["base/dense", "base/re_lu"]
    assert (report.params, report.trainable_params, report.frozen_params) == (23, 8, 15)
    assert head.params == 8


def test_a_functional_takes_its_inputs_in_order_and_returns_several_outputs() -> None:
    inner = {
        "graph": {
            "minus": {"Subtract": {}, "from": ["p", "q"]},
            "plus": {"Add": {}, "from": ["p", "q"]},
        },
        "outputs": ["minus", "plus"],
        "inputs": {"p": {"shape": [2]}, "q": {"shape": [2]}},
    }
    model = {
        "graph": {"both": {"Functional": inner, "from": ["a", "b"]}},
        "outputs": ["both:1", "both:0"],
    }
    built = made(model, {"a": {"shape": [2]}, "b": {"shape": [2]}})
    one, two = np.array([[5.0, 7.0]]), np.array([[1.0, 2.0]])
    plus, minus = built.model([one, two])
    np.testing.assert_allclose(plus, [[6, 9]])
    np.testing.assert_allclose(minus, [[4, 5]])


def test_a_saved_model_keeps_its_weights_in_both_precisions(tmp_path: Path) -> None:
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    path = tmp_path / "base.keras"
    base.save(path)
    x = np.arange(8.0).reshape(2, 4)
    for precision in ("working", "float64"):
        built = made([{"Model": str(path)}], [4], precision=precision)
        np.testing.assert_allclose(built.model(x), base(x), rtol=1e-5, atol=1e-5)
        assert built.model.outputs[0].dtype == {"working": "float32"}.get(precision, precision)


def test_a_model_inside_a_wrapper_is_applied_to_each_step() -> None:
    inner = {"Sequential": [{"Conv1D": {"filters": 2, "kernel_size": 3}}, "Flatten"]}
    built = made([{"TimeDistributed": {"layer": inner}}], [5, 6, 4])
    assert built.report.output_shape == (None, 5, 8)
    assert built.report.params == 26


def test_the_layer_that_keras_refuses_inside_a_model_is_named() -> None:
    result = build([{"Dense": 3}, {"Sequential": [{"Dense": 4}, {"LSTM": 2}]}], [4])
    assert isinstance(result, Refused)
    assert result.report.error is not None
    assert result.report.error.layer == "lstm"
    assert "(None, 4) has no axis of steps" in str(result.report.error.hint)
    assert [row.name for row in result.report.layers] == ["dense", "dense_1"]


def test_a_model_with_the_wrong_number_of_inputs_is_a_fault() -> None:
    inner = {"layers": ["Flatten"], "input": {"shape": [4]}}
    model = {"graph": {"f": {"Functional": inner, "from": ["a", "b"]}}, "outputs": ["f"]}
    with pytest.raises(ScenarioError) as caught:
        build(model, {"a": {"shape": [4]}, "b": {"shape": [4]}})
    (fault,) = caught.value.faults
    assert fault.message == "`f` is a model with 1 input (`input`); received 2"
    assert fault.hint == (
        "name one node or input for each of its inputs under `from:`, in their order"
    )


def test_a_saved_model_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "base.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(path)
    result = build([{"Model": str(path)}], [5])
    assert isinstance(result, Refused)
    assert result.report.error is not None
    assert "incompatible" in result.report.error.message


def test_saved_models_without_a_name_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "base.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)]).save(path)
    rows = made([{"Model": str(path)}, {"Model": str(path)}], [4]).report.layers
    assert [row.name for row in rows] == ["model", "model_1"]


def test_arguments_of_a_call_reach_the_layer() -> None:
    causal = {
        "MultiHeadAttention": {"num_heads": 1, "key_dim": 2},
        "from": ["x", "x"],
        "call": {"use_causal_mask": True, "return_attention_scores": True},
    }
    built = made({"graph": {"out": causal}, "outputs": ["out:1"]}, {"x": {"shape": [3, 4]}})
    scores = np.asarray(built.model(np.random.default_rng(0).normal(size=(1, 3, 4))))[0, 0]
    assert (scores[np.triu_indices(3, 1)] == 0).all()
    assert built.report.layers[0].call == {"use_causal_mask": True, "return_attention_scores": True}


def test_a_call_may_name_an_input_or_a_node() -> None:
    graph = {
        "enc": {"GRU": {"units": 2, "return_state": True}, "from": ["x"]},
        "out": {
            "GRU": 2,
            "from": ["x"],
            "call": {"initial_state": "node:enc:1", "mask": "input:m"},
        },
    }
    inputs = {"x": {"shape": [3, 4]}, "m": {"shape": [3], "dtype": "bool"}}
    built = made({"graph": graph, "outputs": ["out", "enc:1"]}, inputs)
    x = np.random.default_rng(0).normal(size=(1, 3, 4))
    mask = np.array([[True, False, True]])
    out, state = built.model([x, mask])
    layer = built.model.get_layer("out")
    expected = layer(x, initial_state=state, mask=mask)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(out, layer(x, initial_state=state))
    assert not np.allclose(out, layer(x, mask=mask))
