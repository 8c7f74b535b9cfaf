from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from layerlens.proof.field.tensorflow_calls import run_operation
from layerlens.proof.field.value import CannotProveError
from tests.unit.tables.pairs import needs_backend

pytestmark = needs_backend


def operation(kind: str, function: Any, *shapes: tuple[int, ...]) -> Any:
    traced = tf.function(function, autograph=False).get_concrete_function(
        *(tf.TensorSpec(shape) for shape in shapes)
    )
    return next(one for one in traced.graph.get_operations() if one.type == kind)


def test_attributes_and_lists_of_inputs_are_kept() -> None:
    joined = operation("ConcatV2", lambda x, y: tf.concat([x, y], 1), (2, 3), (2, 1))
    one, other = np.ones((2, 3)), np.zeros((2, 1))
    (found,) = run_operation(joined, [one, other, np.array(1, np.int32)])
    assert np.array_equal(found, np.concatenate([one, other], 1))
    split = operation("Split", lambda x: tf.split(x, 3, 1), (2, 3))
    assert [part.shape for part in run_operation(split, [np.array(1, np.int32), one])] == [
        (2, 1)
    ] * 3
    kept = operation("Sum", lambda x: tf.reduce_sum(x, 1, keepdims=True), (2, 3))
    assert run_operation(kept, [one, np.array([1], np.int32)])[0].tolist() == [[3.0], [3.0]]
    squeezed = operation("Squeeze", lambda x: tf.squeeze(x, [1]), (2, 1))
    assert run_operation(squeezed, [other])[0].shape == (2,)


def test_what_tensorflow_refuses_cannot_be_proved() -> None:
    product = operation("MatMul", lambda x: tf.matmul(x, x), (2, 2))
    with pytest.raises(CannotProveError, match="`MatMul` does not run on its own"):
        run_operation(product, [np.ones((2, 3)), np.ones((2, 3))])
