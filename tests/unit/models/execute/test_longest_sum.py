"""The longest sum is read from the graph, whatever adds the numbers."""

from __future__ import annotations

from typing import Any

import keras
import pytest
import tensorflow as tf

from layerlens.models.execute.longest_sum import longest_sum

pytestmark = pytest.mark.usefixtures("backend")

L = keras.layers


@pytest.mark.parametrize(
    ("shape", "layers", "terms"),
    [
        ((7, 7, 64), [L.Flatten(), L.Dense(10)], 7 * 7 * 64),
        ((6, 6, 4), [L.Conv2D(5, 3)], 3 * 3 * 4),
        ((6, 6, 4), [L.DepthwiseConv2D(3)], 3 * 3),
        ((6, 6, 4), [L.Conv2DTranspose(5, 3)], 3 * 3 * 4),
        ((9, 8, 4), [L.GlobalAveragePooling2D()], 9 * 8),
        ((5, 6), [L.EinsumDense("abc,cde->abde", (None, 2, 3))], 6),
        ((5, 6), [L.LayerNormalization()], 6),
        ((None, 6), [L.GRU(8)], 8),
        ((5,), [L.Embedding(1000, 7)], 1),
    ],
)
def test_terms(shape: tuple[int | None, ...], layers: list[Any], terms: int) -> None:
    model = keras.Sequential([keras.Input(shape), *layers])
    signature = tf.TensorSpec((None, *shape), "float32")
    assert longest_sum(tf.function(model).get_concrete_function(signature)) == terms


def test_attention() -> None:
    given = keras.Input((9, 6))
    model = keras.Model(given, L.MultiHeadAttention(2, 5)(given, given))
    signature = tf.TensorSpec((None, 9, 6), "float32")
    assert longest_sum(tf.function(model).get_concrete_function(signature)) == 2 * 5
