"""Files of Keras 2 are read by Keras 2 in an interpreter of its own, and compared with Keras 3."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import layerlens
from layerlens.report.pairs import PairReport

#: The interpreter that has tf_keras.
PYTHON = os.environ.get("LAYERLENS_KERAS_2_PYTHON", "")
pytestmark = [
    pytest.mark.runtimes,
    pytest.mark.usefixtures("backend"),
    pytest.mark.skipif(not PYTHON, reason="LAYERLENS_KERAS_2_PYTHON names no interpreter"),
]

WRITE = """
import sys, numpy as np, tf_keras
L = tf_keras.layers
model = tf_keras.Sequential([tf_keras.Input({shape}), {layers}])
rng = np.random.default_rng(1)
model.set_weights([rng.uniform(-0.9, 0.9, w.shape) for w in model.get_weights()])
model.save({path!r})
"""


def compared(
    folder: Path, shape: tuple[int, ...], layers: str, now: list[Any] | None = None
) -> PairReport:
    """Compare a file of Keras 2 with the same file in Keras 3, or with layers written for it."""
    path = str(folder / "golden.h5")
    program = WRITE.format(shape=shape, layers=layers, path=path)
    subprocess.run([PYTHON, "-c", program], check=True, capture_output=True)
    written = {"layers": now, "input": {"shape": list(shape)}}
    data = {
        "runtimes": {"old": {"python": PYTHON, "keras": "tf_keras"}},
        "models": {
            "before": {"file": path, "runtime": "old"},
            "now": written if now else {"file": path},
        },
    }
    (scenario,) = layerlens.compare(data, allow_code=True).scenarios
    assert not scenario.errors, scenario.errors
    row = scenario.models[0].runtime
    assert row is not None
    assert (row.name, row.weights) == ("tf_keras on TensorFlow", "open")
    return scenario.pairs[0]


def test_an_upgrade_that_changes_nothing(tmp_path: Path) -> None:
    layers = "L.GRU(4, return_sequences=True), L.LSTM(3), L.Dense(2, 'tanh')"
    pair = compared(tmp_path, (5, 3), layers)
    assert (pair.verdict, pair.strength) == ("equivalent", "tested"), pair.explanation


def test_a_file_keeps_the_hard_sigmoid_of_keras_2(tmp_path: Path) -> None:
    pair = compared(tmp_path, (4,), "L.Dense(3, 'hard_sigmoid'), L.Dense(2)")
    assert pair.verdict == "equivalent"
    assert "restored as clip(0.2 x + 0.5, 0, 1)" in pair.explanation


def test_layers_written_anew_have_another_hard_sigmoid(tmp_path: Path) -> None:
    now = [{"Dense": {"units": 3, "activation": "hard_sigmoid"}}, {"Dense": 2}]
    pair = compared(tmp_path, (4,), "L.Dense(3, 'hard_sigmoid'), L.Dense(2)", now)
    assert pair.verdict == "different"
