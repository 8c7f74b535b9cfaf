"""The outputs of a call become arrays with the names of their dtypes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from layerlens.models.execute.outcome import Outcome, flat_tensors, outcome_of
from layerlens.report.layers import ModelError

pytestmark = pytest.mark.usefixtures("backend")


def test_nested_outputs_are_flat_in_the_order_of_keras() -> None:
    one, two, three = (tf.constant([float(n)]) for n in range(3))
    assert flat_tensors({"b": [two, three], "a": one}) == [one, two, three]
    assert flat_tensors(one) == [one]


def test_dtypes_are_those_of_the_tensors_and_arrays_those_of_numpy() -> None:
    outcome = outcome_of([keras.ops.ones((2, 3), "bfloat16"), tf.ones((2, 1), tf.int64)])
    assert outcome.dtypes == ("bfloat16", "int64")
    assert outcome.shapes == ((2, 3), (2, 1))
    assert [array.dtype.name for array in outcome.outputs] == ["float32", "int64"]
    np.testing.assert_array_equal(outcome.outputs[0], np.ones((2, 3)))


def test_a_failed_call_has_no_shapes() -> None:
    assert Outcome(error=ModelError(None, "refused")).shapes == ()
