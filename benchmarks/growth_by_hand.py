"""The script one would write by hand for a scenario of `growth.py`: build, copy weights, predict.

python benchmarks/growth_by_hand.py SCENARIO
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np


def build(model: Mapping[str, Any], shape: list[int]) -> keras.Model:
    inputs = keras.Input(shape)
    tensors = {"input": inputs}
    for name, node in model["graph"].items():
        given = [tensors[source] for source in node["from"]]
        ((kind, arguments),) = ((key, value) for key, value in node.items() if key != "from")
        layer = getattr(keras.layers, kind)(**arguments, name=name)
        is_merged = kind in ("Add", "Concatenate")
        tensors[name] = layer(given) if is_merged else layer(*given)
    return keras.Model(inputs, [tensors[name] for name in model["outputs"]])


def main() -> None:
    scenario = json.loads(Path(sys.argv[1]).read_text())
    shape = scenario["input"]["shape"]
    one, other = (build(model, shape) for model in scenario["models"].values())
    other.set_weights(one.get_weights())
    batch = np.random.default_rng(0).random((32, *shape), dtype="float32")
    expected, actual = (np.asarray(model.predict(batch, verbose=0)) for model in (one, other))
    print("greatest difference:", np.abs(expected - actual).max())
    print("allclose:", np.allclose(expected, actual))


# Keras recurses through a model, one layer after the other.
sys.setrecursionlimit(40_000)
threading.stack_size(128 * 1024**2)
thread = threading.Thread(target=main)
thread.start()
thread.join()
