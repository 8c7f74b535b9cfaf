"""The script one would write by hand for dense_vs_td: build, copy weights, predict, compare.

`bench.py` times layerlens against it.
"""

from __future__ import annotations

import keras
import numpy as np


def sequence_model(head: keras.layers.Layer) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((64, 15)),
            keras.layers.GRU(16, return_sequences=True, reset_after=False),
            head,
            keras.layers.Activation("softmax"),
        ]
    )


td = sequence_model(keras.layers.TimeDistributed(keras.layers.Dense(15)))
dense = sequence_model(keras.layers.Dense(15))
dense.set_weights(td.get_weights())

batch = np.random.default_rng(0).random((32, 64, 15), dtype="float32")
expected = td.predict(batch, verbose=0)
actual = dense.predict(batch, verbose=0)

td.summary()
dense.summary()
print("shapes:", expected.shape, actual.shape)
print("greatest difference:", np.abs(expected - actual).max())
print("allclose:", np.allclose(expected, actual))
