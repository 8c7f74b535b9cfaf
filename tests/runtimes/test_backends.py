"""Keras on JAX and torch computes the same, and where it does not, this is found."""

from __future__ import annotations

from typing import Any

import pytest

import layerlens
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


def test_pooling_with_wide_strides_on_torch() -> None:
    pytest.importorskip("torch")
    layer = {"AveragePooling2D": {"pool_size": 3, "strides": 5, "padding": "same"}}
    models = {
        "ours": {"layers": [layer]},
        "on_torch": {"like": "ours", "runtime": {"backend": "torch"}},
    }
    (pair,) = report_of([12, 12, 2], models).pairs
    assert pair.verdict == "different"
