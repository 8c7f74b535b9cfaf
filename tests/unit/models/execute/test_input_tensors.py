"""Arrays become tensors of the dtypes and shapes that a model declares."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from layerlens.models.execute.input_tensors import tensors_for

pytestmark = pytest.mark.usefixtures("backend")


def test_each_input_has_its_declared_dtype() -> None:
    inputs = [keras.Input((2,), dtype="int32"), keras.Input((None,), dtype="float64")]
    model = keras.Model(inputs, [keras.ops.negative(one) for one in inputs])
    tensors = tensors_for(model, [np.ones((3, 2)), np.ones((3, 5), "float32")])
    assert [tensor.dtype.name for tensor in tensors] == ["int32", "float64"]
    assert [tuple(tensor.shape) for tensor in tensors] == [(3, 2), (3, 5)]


def test_an_input_of_another_rank_is_reshaped_per_sample() -> None:
    flat = keras.Input((6,))
    model = keras.Model(flat, keras.ops.negative(flat))
    given = np.arange(12.0).reshape(2, 2, 3)
    (tensor,) = tensors_for(model, [given])
    np.testing.assert_array_equal(tensor, given.reshape(2, 6))


def test_every_input_needs_an_array() -> None:
    given = keras.Input((6,))
    with pytest.raises(ValueError, match="is longer than"):
        tensors_for(keras.Model(given, keras.ops.negative(given)), [])
