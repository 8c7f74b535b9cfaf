"""The differences of two models in a few words each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.tables.explained import pair_of, ran

pytestmark = pytest.mark.usefixtures("backend")


def causes(a: list[Any], b: list[Any]) -> tuple[str, ...]:
    return pair_of(ran({"a": a, "b": b})).causes


def test_arguments_are_named_with_both_values_and_before_whole_layers() -> None:
    found = causes(
        [{"ReLU": {"max_value": 6.0}}, {"Dense": 2}],
        [{"ReLU": {}}, {"Dense": 2}, {"Activation": "tanh"}],
    )
    assert found == ("`max_value: 6 → none` in `re_lu`", "`activation` (Activation) only in `b`")


def test_what_has_no_effect_on_outputs_is_left_out() -> None:
    assert causes([{"Dense": 2}], [{"Dense": {"units": 2, "kernel_initializer": "zeros"}}]) == ()


def test_arguments_of_the_call_and_of_nested_models_are_named() -> None:
    called = [{"Dropout": 0.5, "call": {"training": True}}]
    assert causes(called, [{"Dropout": 0.5}]) == (
        "`training: true → none` in the call of `dropout`",
    )
    nested = [{"Sequential": [{"Dense": {"units": 2, "activation": "relu"}}]}]
    assert causes(nested, [{"Dense": 2}]) == ("`activation: relu → linear` in `dense`",)


def test_the_layer_inside_a_nested_model_has_its_own_name() -> None:
    def nested(activation: str) -> list[Any]:
        held = {"Sequential": [{"Dense": 3}, {"Dense": {"units": 2, "activation": activation}}]}
        return [held, {"Dense": 2}]

    assert causes(nested("relu"), nested("tanh")) == (
        "`activation: relu → tanh` in `sequential/dense_1`",
    )
    inner = {"Sequential": {"layers": [{"LayerNormalization": {}}], "name": "inner"}}
    other = {"Sequential": {"layers": [{"LayerNormalization": {"epsilon": 0.1}}], "name": "inner"}}
    assert causes(
        [{"TimeDistributed": {"layer": inner}}, {"Dense": 2}],
        [{"TimeDistributed": {"layer": other}}, {"Dense": 2}],
    ) == ("`epsilon: 0.001 → 0.1` in `time_distributed/inner/layer_normalization`",)


def test_a_layer_in_place_of_another_is_named() -> None:
    assert causes(["ReLU"], ["ELU"]) == ("`elu` (ELU) in place of `re_lu` (ReLU)",)
