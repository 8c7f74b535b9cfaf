"""Keras on JAX and torch computes the same, and where it does not, this is found."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

import layerlens
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport

pytestmark = [pytest.mark.runtimes, pytest.mark.usefixtures("backend")]

BACKENDS = pytest.mark.parametrize("backend_name", ["jax", "torch"])
SEQUENCE, IMAGE, VECTOR = [5, 3], [7, 7, 3], [4]
CONVOLUTION = {"Conv2D": {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}}
AFTER: list[Any] = ["ReLU", "Flatten", {"Dense": 2}]

#: Name → the shape of the input, the right layers, and wrong ones.
MODELS: dict[str, tuple[list[int], list[Any], list[Any]]] = {
    "gru": (
        SEQUENCE,
        [{"GRU": {"units": 4, "return_sequences": True}}, {"Dense": 2}],
        [{"GRU": {"units": 4, "return_sequences": True, "activation": "softsign"}}, {"Dense": 2}],
    ),
    "masked lstm": (
        SEQUENCE,
        [{"Masking": 0.0}, {"LSTM": {"units": 4}}],
        [{"LSTM": {"units": 4}}],
    ),
    "convolution": (
        IMAGE,
        [CONVOLUTION, "BatchNormalization", *AFTER],
        [CONVOLUTION, {"BatchNormalization": {"epsilon": 1e-5}}, *AFTER],
    ),
    "gelu": (
        VECTOR,
        [{"Dense": {"units": 5, "activation": "gelu"}}],
        [{"Dense": {"units": 5, "activation": "silu"}}],
    ),
    "leaky_relu": (
        VECTOR,
        [{"Dense": 5}, {"LeakyReLU": 0.2}],
        [{"Dense": 5}, {"LeakyReLU": 0.3}],
    ),
}


def report_of(shape: list[int], models: dict[str, Any]) -> ScenarioReport:
    data = {"input": {"shape": shape}, "models": models}
    (scenario,) = layerlens.compare(data, allow_code=True).scenarios
    assert not scenario.errors, scenario.errors
    return scenario


@BACKENDS
@pytest.mark.parametrize("name", MODELS)
def test_the_same_layers_and_others(name: str, backend_name: str) -> None:
    pytest.importorskip(backend_name)
    shape, right, wrong = MODELS[name]
    runtime = {"backend": backend_name}
    models = {
        "ours": {"layers": right},
        "same": {"like": "ours", "runtime": runtime},
        "other": {"layers": wrong, "runtime": runtime},
    }
    scenario = report_of(shape, models)
    same, other = scenario.pairs
    assert (same.verdict, same.strength) == ("equivalent", "tested"), same.explanation
    assert other.verdict == "different", other.explanation
    row = scenario.models[1].runtime
    assert row is not None
    assert (row.weights, row.float64) == ("open", "native")


def on_backend(backend_name: str, shape: list[int], layer: dict[str, Any]) -> PairReport:
    """Compare a layer here with the same one on another backend."""
    models = {
        "ours": {"layers": [layer]},
        "there": {"like": "ours", "runtime": {"backend": backend_name}},
    }
    (pair,) = report_of(shape, models).pairs
    return pair


@pytest.mark.parametrize(
    ("strides", "length", "verdict"),
    [(5, 12, "different"), (2, 12, "different"), (2, 11, "equivalent")],
)
def test_uneven_padding_of_a_mean_on_torch(strides: int, length: int, verdict: str) -> None:
    """The last row is counted twice where it is padded."""
    pytest.importorskip("torch")
    layer = {"AveragePooling2D": {"pool_size": 3, "strides": strides, "padding": "same"}}
    assert on_backend("torch", [length, length, 2], layer).verdict == verdict


@BACKENDS
def test_bicubic_resizing(backend_name: str) -> None:
    pytest.importorskip(backend_name)
    layer = {"Resizing": {"height": 13, "width": 5, "interpolation": "bicubic"}}
    pair = on_backend(backend_name, [8, 8, 3], layer)
    assert pair.verdict == "different"
    assert pair.first_divergence is not None
    assert pair.first_divergence.candidate_layer == "resizing"


def test_jax_runs_without_tensorflow() -> None:
    """Keras imports it where a model is described, which takes longer than the comparison."""
    pytest.importorskip("jax")
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    program = (
        "import sys, numpy as np\n"
        "from layerlens.models.runtimes.worker import keras_runtime\n"
        "keras_runtime.about('keras')\n"
        "model = keras_runtime.load({'json': sys.argv[1]})\n"
        "for precision, dtype in (('working', 'float32'), ('float64', 'float64')):\n"
        "    (output,) = model.run(precision, [np.ones((2, 3), dtype)])\n"
        "    print(output.dtype)\n"
        "print('tensorflow' in sys.modules)\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, model.to_json()],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["float32", "float64", "False"]
