"""The error of a layer that Keras refuses to build: its name, reason and remedy."""

from __future__ import annotations

import re

import pytest

from layerlens.models.keras_errors import explain_build_error
from layerlens.scenario.spec import LayerSpec
from tests.unit.models.keras_errors.remedies import (
    build,
    check_can_be_typed,
    error_of,
    layers_of,
    refusal_of,
)
from tests.unit.tables.every_layer import CASES, Case

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize("layers", ["Dense: {units: 2, activation: rleu}", "Dense: 0"])
def test_refused_layer_has_the_name_keras_would_have_given_it(layers: str) -> None:
    error = error_of(build({"input": {"shape": [3]}}, layers_of(f"Dense: 3, {layers}")))
    assert error.layer == "dense_1"


#: Shapes that most layers do not want.
SHAPES = [(), (5,), (None,), (9, 4), (None, 4), (9, 9), (9, 9, 3), (None, None, 3), (5, 9, 9, 3)]
#: These ask for a second remedy behind the first: more entries, or other groups.
TWICE = ("STFTSpectrogram", "GroupNormalization")
ALONE = [case for case in CASES if len(case.inputs) == 1 and case.id not in TWICE]


@pytest.mark.parametrize("case", ALONE, ids=[case.id for case in ALONE])
def test_reshape_and_sister_layer_in_a_remedy_build(case: Case) -> None:
    (given,) = case.inputs
    for shape in SHAPES:
        hint = refusal_of(given, shape, case.layer)
        check_can_be_typed(hint)
        for axes in re.findall(r"put `Reshape: {target_shape: \[([^]]*)\]}` before", hint):
            reshape = LayerSpec("Reshape", {"target_shape": [int(n) for n in axes.split(",")]})
            assert not refusal_of(given, shape, reshape, case.layer), f"{shape}: {hint}"
        for axes in re.findall(r"declare (?:it|the input) as `shape: \[([^]]*)\]`", hint):
            declared = tuple(None if n.strip() == "null" else int(n) for n in axes.split(","))
            assert not refusal_of(given, declared, case.layer), f"{shape}: {hint}"
        for sister in re.findall(r"use `(\w+)`(?!, which)", hint):
            other = LayerSpec(sister, case.layer.arguments)
            assert not refusal_of(given, shape, other), f"{shape}: {hint}"


def test_unknown_refusal_keeps_kerass_reason_and_says_what_the_layer_takes() -> None:
    error = explain_build_error(
        ValueError("something nobody foresaw\n\nArguments received by LSTM.call():\n  • x=1"),
        layer_name="lstm",
        layer_type="LSTM",
        arguments={"units": 4},
        input_shapes=[(None, 5, 3)],
        before=[],
    )
    assert error.message == "something nobody foresaw"
    assert error.hint == (
        "`LSTM` takes a sequence, (steps, features); here it got (None, 5, 3) "
        "(`layerlens layers LSTM` lists its arguments)"
    )
