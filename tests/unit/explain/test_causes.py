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


def test_a_layer_in_place_of_another_is_named() -> None:
    assert causes(["ReLU"], ["ELU"]) == ("`elu` (ELU) in place of `re_lu` (ReLU)",)
