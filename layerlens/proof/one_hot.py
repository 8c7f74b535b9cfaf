"""Embedding look-ups as products with one-hot rows.

Selecting a row by its number is not a polynomial of the number, but it is one of the number's
one-hot row. Such rows are drawn like any other input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from layerlens.proof.polynomials import is_exactly


def choices(layer: Any) -> int | None:
    """Return the size of a layer's vocabulary; None for layers that do not look up numbers."""
    if is_exactly(layer, "Embedding"):
        return int(layer.input_dim)
    if is_exactly(layer, "CategoryEncoding"):
        return int(layer.num_tokens)
    return None


def looked_up(layer: Any, rows: Any) -> Any:
    """Return a layer's output for rows (..., choices), one row in place of each number."""
    if is_exactly(layer, "Embedding"):
        return tf.tensordot(rows, layer.embeddings.value, 1)
    if layer.output_mode == "count":
        return tf.reduce_sum(rows, axis=-2)
    return tf.squeeze(rows, axis=-2) if rows.shape[-2] == 1 else rows


def is_looked_up(layer: Any, shape: Sequence[int], dtype: str, rng: np.random.Generator) -> bool:
    """Return whether a layer's output for random numbers equals `looked_up` of their rows."""
    count = choices(layer)
    assert count is not None
    numbers = rng.integers(0, count, shape)
    expected = looked_up(layer, tf.one_hot(numbers, count, dtype="float64"))
    return np.array_equal(np.asarray(layer(tf.constant(numbers, dtype))), np.asarray(expected))
