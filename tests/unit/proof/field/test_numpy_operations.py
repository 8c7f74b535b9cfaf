"""NumPy returns what TensorFlow's own operations do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from layerlens.proof.field.numpy_operations import computed
from layerlens.proof.field.tensorflow_calls import run_operation
from layerlens.proof.field.value import CannotProveError
from tests.unit.tables.pairs import needs_backend

pytestmark = needs_backend

GIVEN = np.arange(24).reshape(2, 3, 4)
VECTOR = np.array([5, 3, 7], np.int32)

CALLS: dict[str, Callable[[Any], Any]] = {
    "joined": lambda x: tf.concat([x, x + 1], 1),
    "joined along the last axis": lambda x: tf.concat([x, x], -1),
    "an axis more": lambda x: tf.expand_dims(x, 1),
    "an axis more at the end": lambda x: tf.expand_dims(x, -1),
    "taken": lambda x: tf.gather(x, [2, 0, 2], axis=1),
    "one taken": lambda x: tf.gather(x, 1, axis=-1),
    "taken in batches": lambda x: tf.gather(x, [[1, 0], [2, 2]], axis=1, batch_dims=1),
    "stacked": lambda x: tf.stack([x, x + 1]),
    "stacked along the last axis": lambda x: tf.stack([x, x + 1], -1),
    "multiplied": lambda x: tf.reduce_prod(x + 1, 1),
    "multiplied, axes kept": lambda x: tf.reduce_prod(x + 1, [0, 2], keepdims=True),
    "in another shape": lambda x: tf.reshape(x, (4, -1)),
    "flat": lambda x: tf.reshape(x, [-1]),
    "squeezed": lambda x: tf.squeeze(x[:, :1, :1], 1),
    "squeezed everywhere": lambda x: tf.squeeze(x[:1, :, :1]),
    "transposed": lambda x: tf.transpose(x, (2, 0, 1)),
    "sliced": lambda x: x[:, 1:, :2],
    "every other one": lambda x: x[..., ::2],
    "backwards": lambda x: x[:, ::-1],
    "the last ones": lambda x: x[:, -2:, -1],
    "beyond the end": lambda x: x[:, :9, -9:],
    "a new axis behind dots": lambda x: x[..., 1, tf.newaxis],
    "nothing": lambda x: x[:, 2:1],
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_result_is_that_of_tensorflow(name: str) -> None:
    traced = tf.function(CALLS[name], autograph=False).get_concrete_function(
        tf.TensorSpec(GIVEN.shape, "int64")
    )
    values = {traced.inputs[0].name: GIVEN}
    for operation in traced.graph.get_operations():
        if operation.type == "Placeholder":
            continue
        if operation.type == "Const":
            found = tf.make_ndarray(operation.get_attr("value"))
        else:
            (found,) = run_operation(operation, [values[t.name] for t in operation.inputs])
        values[operation.outputs[0].name] = found
    expected = CALLS[name](tf.constant(GIVEN)).numpy()
    found = values[traced.outputs[0].name]
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def operation_of(function: Callable[[Any], Any], kind: str) -> Any:
    graph = (
        tf.function(function, autograph=False)
        .get_concrete_function(tf.TensorSpec((3,), "int32"))
        .graph
    )
    return next(one for one in graph.get_operations() if one.type == kind)


def test_tensorflow_computes_what_numpy_does_otherwise() -> None:
    """A negative place is an error in TensorFlow, and the last element in NumPy."""
    gather = operation_of(lambda x: tf.gather(x, [0]), "GatherV2")
    assert computed(gather, [VECTOR, np.array([-1]), np.array(0)]) is None
    with pytest.raises(CannotProveError, match="does not run"):
        run_operation(gather, [VECTOR, np.array([-1], np.int32), np.array(0, np.int32)])
    product = operation_of(lambda x: tf.reduce_prod(tf.cast(x, "float32")), "Prod")
    assert computed(product, [VECTOR.astype("float32"), np.array([0])]) is None


def test_a_place_that_is_not_there_is_refused() -> None:
    sliced = operation_of(lambda x: x[2], "StridedSlice")
    begin = np.array([7], np.int32)
    with pytest.raises(CannotProveError, match="does not run"):
        run_operation(sliced, [VECTOR, begin, begin + 1, np.ones(1, np.int32)])
