"""The check of a dtype policy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from layerlens.scenario.spec import InputSpec
from layerlens.testing.layer_checks import (
    check_dtype,
)
from tests.unit.testing.layer_checks.faulty_layers import (
    FLAT,
    STEPS,
    Coarse,
    DropsKwargs,
    Float32,
    Normalised,
    Refuses,
    Scale,
    only,
)

pytestmark = pytest.mark.usefixtures("backend")


def test_errors_beyond_rounding_are_faults() -> None:
    assert only(check_dtype(Float32(), "float16", STEPS)) == "its output is float32, not float16"
    assert only(check_dtype(DropsKwargs(), "bfloat16", STEPS)).startswith(
        "recreated with dtype='bfloat16' its policy is 'float32': "
    )
    assert "values are not finite, first at (0, 0, 0): nan instead of 0" in only(
        check_dtype(Normalised(), "float16", STEPS)
    )
    coarse = only(check_dtype(Coarse(), "float32", STEPS))
    assert coarse.startswith("it is up to 0.0")
    assert "from float64, but rounding explains" in coarse
    assert only(check_dtype(Refuses(), "float16", STEPS)) == "it does not run: no, thank you"
    assert "it cannot be created with dtype='float17'" in only(
        check_dtype(Scale(), "float17", STEPS)
    )


def test_a_layer_that_cannot_run_in_float64_is_a_fault() -> None:
    volume = (InputSpec("input", (4, 4, 4, 2)),)
    fault = only(check_dtype(keras.layers.MaxPooling3D(), "float32", volume))
    assert fault.startswith("it does not run in float64 to be compared with: ")


def test_a_built_layer_is_checked_with_its_own_weights() -> None:
    layer = Scale()
    layer(np.ones((2, 4), "float32"))
    layer.factor.assign([6e4] * 4)
    assert "are not finite" in only(check_dtype(layer, "float16", FLAT))
