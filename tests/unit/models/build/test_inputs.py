"""A model's own inputs are paired with the scenario's, by name or in order."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from layerlens.models.build.inputs import (
    InputsRefusal,
    fit_inputs,
    has_graph,
    scenario_inputs,
    with_shapes,
)
from layerlens.scenario.spec import InputSpec

A, B = InputSpec("a", (3,)), InputSpec("b", (4,))


@pytest.fixture(scope="module")
def model() -> Any:
    a, b = keras.Input((3,), name="a"), keras.Input((None,), name="b")
    return keras.Model([a, b], [keras.ops.negative(a), keras.ops.negative(b)])


def test_inputs_of_the_same_names_are_paired_by_name(model: Any) -> None:
    fitted = fit_inputs((B, A), model, "working")
    assert [one.name for one in fitted.inputs] == ["b", "a"]
    assert fitted.positions == (1, 0)
    assert fitted.names == ("b", "a")
    assert fitted.listed == ("a", "b")


def test_inputs_of_other_names_are_paired_in_order(model: Any) -> None:
    given = (InputSpec("x", (3,)), InputSpec("y", (4,)))
    fitted = fit_inputs(given, model, "working")
    assert fitted.inputs == given
    assert fitted.names == ("a", "b")


def test_an_open_axis_takes_the_length_of_the_scenario(model: Any) -> None:
    assert fit_inputs((A, B), model, "working").changes == {"b": (None, 4)}
    assert fit_inputs((), model, "working").changes == {}


def test_the_order_of_the_reference_is_kept(model: Any) -> None:
    given = (InputSpec("x", (4,)), InputSpec("y", (3,)))  # what the reference takes as b and a
    fitted = fit_inputs(given, model, "working", ("b", "a"))
    assert fitted.inputs == given
    assert fitted.names == ("b", "a")
    own = fit_inputs((A, B), model, "working", ("b", "a"), given_to_all=False)
    assert [one.name for one in own.inputs] == ["b", "a"]
    assert fit_inputs((), model, "working", ("b", "a")).names == ("b", "a")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((A,), "the model takes 2 inputs"),
        ((InputSpec("a", (5,)), B), "has shape (None, 3), but the scenario gives (None, 5)"),
        ((InputSpec("a", (3, 1)), B), "3 axes instead of 2"),
        ((InputSpec("a", (3,), "int32"), B), "is float32, but the scenario gives int32"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    model: Any, given: tuple[InputSpec, ...], message: str
) -> None:
    with pytest.raises(InputsRefusal) as raised:
        fit_inputs(given, model, "working")
    assert message in raised.value.error.message
    assert raised.value.error.hint


def test_the_inputs_of_a_description_follow_the_reference_if_the_names_agree() -> None:
    fitted = scenario_inputs((A, B), ("b", "a"))
    assert (fitted.inputs, fitted.positions) == ((B, A), (1, 0))
    assert fitted.listed == ("a", "b")
    assert scenario_inputs((A, B), ("b", "c")).inputs == (A, B)


def test_a_graph_is_a_model_without_a_call_of_its_own(model: Any) -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    assert has_graph(model)
    assert has_graph(keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]))
    assert not has_graph(keras.Sequential([keras.layers.ReLU()]))
    assert not has_graph(Own())
    assert not has_graph(keras.layers.ReLU())


def test_only_the_named_input_layers_change_their_shape() -> None:
    def described(name: str) -> dict[str, Any]:
        config = {"name": name, "batch_shape": [None, None], "batch_input_shape": [None, None]}
        return {"class_name": "InputLayer", "config": config}

    config = {"config": {"layers": [described("a"), described("b"), {"class_name": "ReLU"}]}}
    changed = with_shapes(config, {"b": (None, 4)})["config"]["layers"]
    assert changed[0] == described("a")
    assert changed[1]["config"] == {"name": "b", "batch_shape": [None, 4]}
    assert with_shapes(config, {}) is config
