"""Checks of a config and of a saved file."""

from __future__ import annotations

import keras
import pytest

from layerlens.testing.layer_checks import (
    check_config,
    check_saving,
)
from tests.unit.testing.layer_checks.faulty_layers import (
    STEPS,
    AlwaysHalf,
    ForgetsWeights,
    LeavesOut,
    NotJson,
    Scale,
    TakesNoName,
    Unregistered,
    only,
)

pytestmark = pytest.mark.usefixtures("backend")


def test_what_a_config_leaves_out_is_a_fault() -> None:
    check = check_config(LeavesOut(0.25, name="mine"))
    assert str(check).splitlines() == [
        "`mine` (LeavesOut) is not restored from its config",
        "  - get_config() leaves out `shift`, an argument of its constructor: a restored "
        "layer gets the default, or fails",
        "  - its `shift` is 0.25; restored, it is 0.0",
    ]
    assert only(check_config(AlwaysHalf(0.25))) == "its `shift` is 0.25; restored, it is 0.5"
    assert only(check_config(NotJson())).startswith("its config cannot be written as JSON: ")
    assert only(check_config(TakesNoName())).startswith("it cannot be restored from its config: ")


def test_what_a_saved_file_leaves_out_is_a_fault() -> None:
    faults = check_saving(ForgetsWeights(name="mine"), STEPS).faults
    assert faults[0].startswith("weight `mine/factor` has different values after loading, up to 0.")
    assert faults[1].startswith("the loaded layer gives a different result: ")
    assert "values, first at (0, 0, 0): " in faults[1]
    (fault,) = check_saving(LeavesOut(0.25), STEPS).faults
    assert fault.startswith(
        "the loaded layer gives a different result: 96 of 96 values, first at (0, 0, 0)"
    )
    assert only(check_saving(Unregistered(), STEPS)).startswith(
        "the loaded layer gives a different result"
    )
    assert "it cannot be saved and loaded: " in only(check_saving(TakesNoName(), STEPS))


def test_a_model_is_checked_with_its_own_inputs() -> None:
    model = keras.Sequential([keras.Input((4,)), Scale(), keras.layers.Dense(2)])
    assert check_saving(model, ()).faults == ()
    lost = keras.Sequential([keras.Input((4,)), ForgetsWeights(), keras.layers.Dense(2)])
    assert "has different values after loading" in str(check_saving(lost, ()))
