"""The error of a built model that fails when it is called: its layer, reason and remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.models.build_model import build_model
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.inspect.layer_table import layer_rows
from layerlens.models.keras_errors import explain_call_error
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from tests.unit.models.keras_errors.remedies import check_can_be_typed, yaml_of

pytestmark = pytest.mark.usefixtures("backend")

#: name | layers on an input (variable, 3) or as given | how it is called | words of the remedy
CALLS = {
    "tokens": (
        [2],
        "int32",
        ["Embedding: [4, 2]"],
        [[1, 7]],
        "`input_dim` above the largest token",
    ),
    "reshape": (
        [None, 3],
        "float32",
        ["Reshape: [[4, 3]]"],
        [[[0.0] * 3] * 5],
        "use -1 for the axis",
    ),
    "kernel": ([None, 3], "float32", ["Conv1D: [2, 3]"], [[[0.0] * 3]], "larger than this input"),
    "masked softmax": (
        [4, 3],
        "float32",
        ["Masking", "Softmax"],
        [[[0.0] * 3] * 4],
        "`Activation:",
    ),
    "axis": ([4, 3], "float32", ["Softmax: [5]"], [[[0.0] * 3] * 4], "-1 is the last"),
    "integers": ([4, 3], "int32", ["Conv1D: [2, 3]"], [[[0] * 3] * 4], "`dtype: float32`"),
    "bytes": ([4, 3], "uint8", ["Conv1D: [2, 3]"], [[[0] * 3] * 4], "receives uint8; put"),
    "truth values": ([4, 3], "bool", ["Softmax"], [[[True] * 3] * 4], "receives bool; put"),
    "long integers": ([4, 3], "int64", ["ELU"], [[[0] * 3] * 4], "receives int64; put"),
    "mask of places": (
        [3, 5, 2],
        "float32",
        ["Masking", "ConvLSTM1D: [1, 2]"],
        [[[[0.0] * 2] * 5] * 3],
        "set `padding: same` and leave `strides` at 1, or remove the masking",
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("execution", ["eager", "traced_dynamic"])
def test_failing_call_names_layer_and_remedy(name: str, execution: str) -> None:
    import keras
    import tensorflow as tf

    shape, dtype, layers, data, words = CALLS[name]
    given = result = keras.Input(tuple(shape), dtype=dtype)
    for layer in layers:
        kind, _, arguments = layer.partition(": ")
        result = getattr(keras.layers, kind)(*yaml_of(arguments or "[]"))(result)
    model = keras.Model(given, result)
    signature = [tf.TensorSpec([None, *shape], dtype)]
    call = model if execution == "eager" else tf.function(model, input_signature=signature)
    with pytest.raises(Exception) as caught:  # noqa: PT011 (each kind raises another)
        call(tf.constant(data, dtype))
    rows = layer_rows(model)
    error = explain_call_error(caught.value, execution=execution, layers=rows)
    assert error.layer == rows[-1].name
    assert words in (error.hint or "")
    check_can_be_typed(error.hint or "")
    assert "{{" not in error.message
    assert "NodeDef" not in error.message
    assert "in user code" not in error.message


@pytest.mark.parametrize(
    ("given", "broken", "mended"),
    [
        (
            {"shape": [3, 5, 2]},
            [{"Masking": -1.0}, {"ConvLSTM1D": {"filters": 1, "kernel_size": 2}}],
            [
                {"Masking": -1.0},
                {"ConvLSTM1D": {"filters": 1, "kernel_size": 2, "padding": "same"}},
            ],
        ),
        (
            {"shape": [8, 1], "dtype": "uint8"},
            [{"DepthwiseConv1D": 3}],
            [{"Rescaling": 1.0}, {"DepthwiseConv1D": 3}],
        ),
    ],
)
def test_a_remedy_for_a_failing_call_is_true(given: Any, broken: Any, mended: Any) -> None:
    data = {"input": given, "models": {"broken": broken, "mended": mended}}
    (scenario,) = scenario_from_mapping(data)
    inputs = (np.ones((2, *given["shape"]), given.get("dtype", "float32")),)
    failed, passed = (
        KerasRunner(build_model(model, scenario.inputs)).run(inputs, "eager")
        for model in scenario.models
    )
    assert failed.error is not None
    assert passed.error is None


def test_a_name_that_tensorflow_cannot_trace_is_named() -> None:
    data = {
        "input": {"shape": [3]},
        "models": {"a": [{"Dense": {"units": 2, "name": "my layer"}}], "b": ["Flatten"]},
    }
    (scenario,) = scenario_from_mapping(data)
    built = build_model(scenario.models[0], scenario.inputs)
    runner = KerasRunner(built)
    inputs = (np.ones((2, 3), "float32"),)
    assert runner.run(inputs, "eager").error is None
    error = runner.run(inputs, "traced_dynamic").error
    assert error is not None
    assert error.layer == "my layer"
    assert "give it a name of letters without accents" in (error.hint or "")


def test_a_mask_with_another_number_of_steps_is_named() -> None:
    data = {
        "inputs": {"x": {"shape": [4, 3]}, "m": {"shape": [5], "dtype": "bool"}},
        "models": {
            "a": {
                "graph": {"s": {"LSTM": 2, "from": ["x"], "call": {"mask": "input:m"}}},
                "outputs": ["s"],
            },
            "b": {"graph": {"s": {"LSTM": 2, "from": ["x"]}}, "outputs": ["s"]},
        },
    }
    (scenario,) = scenario_from_mapping(data)
    built = build_model(scenario.models[0], scenario.inputs)
    inputs = (np.ones((2, 4, 3), "float32"), np.ones((2, 5), bool))
    error = KerasRunner(built).run(inputs, "eager").error
    assert error is not None
    assert error.hint == "the mask has 5 steps and the input 4; give it a mask of 4 steps"


def test_a_failing_call_without_a_rule_says_only_how_it_was_made() -> None:
    error = explain_call_error(RuntimeError("odd"), execution="traced_dynamic")
    assert error.layer is None
    assert error.message.startswith("the model fails when traced with unknown batch")
    assert "the model builds, so the known shapes agree" in (error.hint or "")
