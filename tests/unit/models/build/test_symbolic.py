"""Inputs and policies that Keras does not know are errors of the scenario."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from layerlens.errors import ScenarioError
from layerlens.models.build.symbolic import (
    DraftImpossible,
    drafting,
    functional,
    input_tensors,
    keras_name,
    raise_if_draft_impossible,
)
from layerlens.models.build_model import build_model
from layerlens.models.execute.tracing import trace_call
from layerlens.scenario.spec import InputSpec
from tests.unit.models.build.models import VECTOR, build, chain
from tests.unit.tables.every_layer import layer


def test_an_unknown_policy_or_dtype_is_the_scenarios_fault() -> None:
    with pytest.raises(
        ScenarioError, match="'float99' is not a Keras dtype policy; allowed: `float32`"
    ):
        build_model(chain(layer("ReLU"), dtype="float99"), VECTOR)
    with pytest.raises(ScenarioError, match=r"input `input` of shape .* and dtype float99"):
        build_model(chain(layer("ReLU")), (InputSpec("input", (6,), "float99"),))


def test_an_input_may_share_its_name_with_a_layer() -> None:
    built = build(chain(layer("Dense", units=3, name="input")))
    assert [row.name for row in built.report.layers] == ["input"]


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("a b/c", "a_b_c"),
        ("x-1.y_2", "x-1.y_2"),
        ("", "unnamed"),
        ("_old", "x_old"),
        ("-v", "x-v"),
        ("до", "x__"),
    ],
)
def test_a_name_has_only_characters_that_keras_accepts(name: str, valid: str) -> None:
    assert keras_name(name) == valid


@pytest.mark.parametrize("name", ["_old", "до", "<b>"])
def test_models_of_any_name_can_be_traced(name: str) -> None:
    built = build(replace(chain(layer("Dense", units=3)), name=name))
    trace_call(built.model, [tf.TensorSpec((None, 6))])


def test_a_single_input_and_output_are_plain_tensors() -> None:
    inputs = input_tensors((InputSpec("a", (2,)), InputSpec("b", (2,), "int32")), "float64")
    assert [tensor.dtype for tensor in inputs] == ["float64", "int32"]
    single = functional(inputs[:1], (keras.ops.negative(inputs[0]),), "a name")
    assert single.name == "a_name"
    assert single(np.ones((1, 2))).shape == (1, 2)
    both = functional(inputs, inputs, "both")
    assert isinstance(both.outputs, list)
    assert len(both([np.ones((1, 2)), np.ones((1, 2))])) == 2


def test_an_input_has_no_name_of_a_layer() -> None:
    (tensor,) = input_tensors((VECTOR[0],), "working", taken=frozenset({"input"}))
    assert tensor.name == "input_input"


def test_a_draft_has_shapes_and_takes_memory_only_once_allocated() -> None:
    with drafting() as draft:
        drafted = keras.layers.Dense(2)
        drafted.build((None, 3))
        draft.allocate()
    assert tuple(drafted.kernel.numpy().shape) == (3, 2)
    with drafting():
        abandoned = keras.layers.Dense(2)
        abandoned.build((None, 3))
    assert tuple(abandoned.kernel.shape) == (3, 2)
    assert abandoned.kernel._value is None


def test_an_error_from_drafting_is_recognized_through_its_causes() -> None:
    cause = ValueError("cannot create variables while in a stateless scope")
    error = RuntimeError("failed")
    error.__cause__ = cause
    with pytest.raises(DraftImpossible):
        raise_if_draft_impossible(error)
    raise_if_draft_impossible(RuntimeError("another"))
    raise_if_draft_impossible(None)
