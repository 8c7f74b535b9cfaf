"""Variables become arrays that stay as they are, and take what they are given."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from layerlens.models.execute.variables import as_array, assign_array

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int32", "bool"])
@pytest.mark.parametrize("size", [3, 200_000])
def test_what_is_put_comes_back_in_the_precision_of_the_variable(dtype: str, size: int) -> None:
    variable = keras.Variable(np.zeros(size), dtype=dtype)
    given = (np.arange(size) % 100).astype("float32") + np.float32(0.1)
    assign_array(variable, given)
    wide = "float32" if dtype == "bfloat16" else dtype
    expected = keras.ops.convert_to_numpy(keras.ops.cast(given, dtype)).astype(wide)
    assert as_array(variable).dtype == wide
    np.testing.assert_array_equal(as_array(variable), expected)


def test_an_array_stays_what_it_was_whatever_becomes_of_the_variable() -> None:
    variable = keras.Variable(np.zeros((2, 3)), dtype="float32")
    seen = as_array(variable)
    variable.assign_add(np.ones((2, 3)))
    between = as_array(variable)
    assign_array(variable, np.full((2, 3), 7.0))
    assert (seen == 0).all()
    assert (between == 1).all()
    assert (as_array(variable) == 7).all()
    with pytest.raises(ValueError, match="read-only"):
        seen[0, 0] = 1


def test_another_shape_is_refused() -> None:
    variable = keras.Variable(np.zeros((2, 3)), dtype="float32")
    with pytest.raises(ValueError, match="shape"):
        assign_array(variable, np.zeros((3, 2)))
