"""Arguments of the Python API: what is read, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.errors import UsageError
from layerlens.plain.numbers import GREATEST
from layerlens.scenario.from_python import (
    check_choice,
    checked_modes,
    checked_seed,
    checked_tolerance,
    input_specs,
    model_spec,
)
from layerlens.scenario.spec import InputSpec, Tolerance
from layerlens.vocabulary import VERDICTS


def test_a_path_of_a_saved_model_is_a_file_and_a_callable_an_object() -> None:
    assert model_spec("a", "model.keras", None).file == "model.keras"
    assert model_spec("a", dict, None).given is dict


@pytest.mark.parametrize(
    ("model", "what"),
    [("model.txt", "'model.txt'"), (3, "of type int"), (None, "of type NoneType")],
)
def test_what_is_no_model_is_refused(model: Any, what: str) -> None:
    with pytest.raises(UsageError, match=f"'a' is {what}, which is not a model"):
        model_spec("a", model, None)


def test_inputs_are_a_shape_a_mapping_or_several() -> None:
    assert input_specs(None) == ()
    assert input_specs([64, None]) == (InputSpec("input", (64, None)),)
    assert input_specs({"shape": [2], "dtype": "int32", "low": 0, "high": 9}) == (
        InputSpec("input", (2,), "int32", 0, 9),
    )
    assert input_specs({"x": [2], "y": {"shape": [3]}}) == (
        InputSpec("x", (2,)),
        InputSpec("y", (3,)),
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("abc", "inputs='abc' is not an input"),
        ([[1], [2]], "is not the shape of one input"),
        ([-1], "inputs=: item 1 of `shape` has to be at least 0; received -1"),
    ],
)
def test_other_inputs_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        input_specs(inputs)
    assert message in raised.value.message


def test_modes_are_a_tuple_without_repeats() -> None:
    assert checked_modes("training") == ("training",)
    assert checked_modes(["inference", "training", "inference"]) == ("inference", "training")
    with pytest.raises(UsageError, match="mode= is not a mode"):
        checked_modes([])


def test_a_tolerance_is_two_numbers_from_0_on() -> None:
    assert checked_tolerance(None) is None
    assert checked_tolerance([1e-3, 0]) == Tolerance(1e-3, 0)
    for wrong in (1e-3, (1e-3,), (1e-3, -1), (True, 0), (float("inf"), 0), (float("nan"), 0)):
        with pytest.raises(UsageError, match="is not a tolerance"):
            checked_tolerance(wrong)


def test_a_seed_is_a_whole_number_of_64_bits() -> None:
    assert checked_seed(GREATEST) == GREATEST
    for wrong in (-1, True, 1.0, "1", GREATEST + 1):
        with pytest.raises(UsageError, match="is not a seed"):
            checked_seed(wrong)


def test_a_choice_is_none_or_allowed() -> None:
    check_choice("expect", None, VERDICTS)
    check_choice("expect", "different", VERDICTS)
    with pytest.raises(UsageError) as raised:
        check_choice("expect", "diferent", VERDICTS)
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("did you mean `different`?")
