"""Gradients of a call of a model, by its inputs and by its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.execute.outcome import flat_tensors
from layerlens.models.execute.variables import as_array
from layerlens.numerics.arrays import Array

#: Gradients by the floating inputs and by the weights; None where an output does not depend on one.
Gradients = tuple[list[Array | None], list[Array | None]]


def gradients_of(
    call: Callable[[Sequence[Any]], Any],
    tensors: Sequence[Any],
    weights: Sequence[Any],
    directions: Sequence[NDArray[np.float64]],
    *,
    frozen: bool = False,
) -> Gradients | None:
    """Return the gradients of sum(output × direction) over all floating outputs of `call(tensors)`.

    With `frozen` also by weights that are not trainable. None where TensorFlow has no gradient of
    an operation in this precision, or where the gradient that a layer defines fails.

    Raises:
        MemoryLimitError: memory ran out.
    """
    watched = [tensor for tensor in tensors if tensor.dtype.is_floating]
    with tf.GradientTape() as tape:
        for tensor in (*watched, *(weights if frozen else ())):
            tape.watch(tensor)
        outputs = [one for one in flat_tensors(call(tensors)) if one.dtype.is_floating]
        total = tf.add_n(
            [
                tf.reduce_sum(tf.cast(output, "float64") * tf.constant(direction))
                for output, direction in zip(outputs, directions, strict=True)
            ]
        )
    try:
        by_inputs, by_weights = tape.gradient(total, (watched, list(weights)))
    except Exception as error:  # a layer's own gradient may raise anything, as Keras' for float8
        raise_if_out_of_memory(error, "while gradients were computed")
        return None
    return [_dense(one) for one in by_inputs], [_dense(one) for one in by_weights]


def _dense(gradient: Any) -> Array | None:
    """Return a gradient as a read-only array, without a copy where it is in float32 or float64."""
    if gradient is None:
        return None
    tensor = tf.convert_to_tensor(gradient)
    if tensor.dtype.name in ("float32", "float64"):
        return np.asarray(memoryview(tensor))
    return as_array(tensor)
