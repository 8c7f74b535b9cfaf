"""The script one would write by hand for many pairs: build, copy weights, predict, compare.

python benchmarks/by_hand_many.py COUNT
"""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
from equivalent_pairs import Layers, pair


def layer(described: dict[str, dict[str, Any]]) -> keras.layers.Layer:
    ((name, arguments),) = described.items()
    inner = {key: layer(value) for key, value in arguments.items() if isinstance(value, dict)}
    return getattr(keras.layers, name)(**{**arguments, **inner})


def model(shape: list[int], layers: Layers) -> keras.Model:
    return keras.Sequential([keras.Input(tuple(shape)), *map(layer, layers)])


for number in range(int(sys.argv[1])):
    shape, one, other = pair(number)
    reference, candidate = model(shape, one), model(shape, other)
    weights = reference.get_weights()
    own = candidate.get_weights()
    candidate.set_weights([w.reshape(o.shape) for w, o in zip(weights, own, strict=True)])
    batch = np.random.default_rng(number).random((32, *shape), dtype="float32")
    expected = reference.predict(batch, verbose=0)
    actual = candidate.predict(batch, verbose=0)
    print(number, expected.shape, np.abs(expected - actual).max(), np.allclose(expected, actual))
