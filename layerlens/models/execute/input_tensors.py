"""Convert input arrays to the tensors that a model declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from layerlens.numerics.arrays import Array


def tensors_for(model: Any, inputs: Sequence[Array]) -> list[Any]:
    """Return one tensor per input of the model, in its dtype and its per-sample shape."""
    return [
        tf.convert_to_tensor(_reshaped(array, declared), dtype=tf.as_dtype(str(declared.dtype)))
        for array, declared in zip(inputs, model.inputs, strict=True)
    ]


def _reshaped(array: Array, declared: Any) -> Array:
    """Return an array in the declared shape: a model's own `input:` may have other axes."""
    shape = tuple(declared.shape[1:])
    if None in shape or len(shape) == array.ndim - 1:
        return np.asarray(array)
    return np.asarray(array).reshape(len(array), *shape)
