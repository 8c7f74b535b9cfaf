"""Where a model and another runtime part: at which layer, and at which node of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

import layerlens
from tests.unit.comparison.test_foreign_answers import compared, drawn
from tests.unit.models.runtimes import onnx_files

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytestmark = pytest.mark.usefixtures("backend")


def two_layers(folder: Path) -> tuple[Path, dict[str, Any]]:
    layers = [keras.layers.Dense(5, "relu", name="first"), keras.layers.Dense(4, name="second")]
    model = drawn(keras.Sequential([keras.Input((3,)), *layers]))
    model.save(folder / "model.keras")
    return folder / "model.keras", dict(zip("kblc", model.get_weights(), strict=True))


def file_of(path: Path, weights: dict[str, Any], *, activation: str = "Relu") -> Path:
    nodes = [
        onnx_files.node("MatMul", "x k", "a", name="model/first/MatMul"),
        onnx_files.node("Add", "a b", "s", name="model/first/Add"),
        onnx_files.node(activation, "s", "model/first_1/Relu:0", name="model/first/Relu"),
        onnx_files.node("MatMul", "model/first_1/Relu:0 l", "m"),
        onnx_files.node("Add", "m c", "y", name="model/second/Add"),
    ]
    return onnx_files.written(path, nodes, weights, {"x": ["n", 3]}, ["n", 4])


def test_a_layer_inside_the_file(tmp_path: Path) -> None:
    path, weights = two_layers(tmp_path)
    file = file_of(tmp_path / "m.onnx", weights, activation="Softplus")
    found = compared(path, file).first_divergence
    assert found is not None
    assert (found.reference_layer, found.candidate_layer) == (
        "first",
        "model/first/Relu (Softplus)",
    )
    assert found.max_abs is not None
    assert found.max_abs > 0.1
    backwards = compared(file, path).first_divergence
    assert backwards is not None
    assert backwards.candidate_layer == "first"


def test_the_last_layer(tmp_path: Path) -> None:
    path, weights = two_layers(tmp_path)
    file = file_of(tmp_path / "m.onnx", {**weights, "c": weights["c"] + 1})
    found = compared(path, file).first_divergence
    assert found is not None
    assert (found.reference_layer, found.candidate_layer) == ("second", "model/second/Add (Add)")


def test_a_layer_that_was_merged_with_the_next(tmp_path: Path) -> None:
    layers = [keras.layers.Dense(5, name="first"), keras.layers.Dense(4, name="second")]
    model = drawn(keras.Sequential([keras.Input((3,)), *layers]))
    model.save(tmp_path / "model.keras")
    first, bias, second, last = model.get_weights()
    merged = {"k": first @ second, "b": bias @ second + last + 1}
    nodes = [onnx_files.node("MatMul", "x k", "a"), onnx_files.node("Add", "a b", "y", name="all")]
    file = onnx_files.written(tmp_path / "m.onnx", nodes, merged, {"x": ["n", 3]}, ["n", 4])
    found = compared(tmp_path / "model.keras", file).first_divergence
    assert found is not None
    assert found.reference_layer == "second"


def test_keras_on_another_backend(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="the extra `jax` is not installed")

    def described(activation: str) -> list[Any]:
        return [
            {"Dense": {"units": 4, "name": "first"}},
            {"Dense": {"units": 4, "activation": activation, "name": "second"}},
            {"Dense": {"units": 2, "name": "third"}},
        ]

    there = {"layers": described("hard_sigmoid"), "runtime": {"backend": "jax"}}
    models = {"here": {"layers": described("sigmoid")}, "there": there}
    (pair,) = layerlens.compare({"input": {"shape": [3]}, "models": models}).scenarios[0].pairs
    assert pair.verdict == "different"
    found = pair.first_divergence
    assert found is not None
    assert (found.reference_layer, found.candidate_layer) == ("second", "second")


def test_layers_without_weights_on_another_backend() -> None:
    pytest.importorskip("jax", reason="the extra `jax` is not installed")
    here = {"layers": ["Flatten", {"ReLU": {"max_value": 1.0, "name": "capped"}}]}
    there = {
        "layers": ["Flatten", {"ReLU": {"max_value": 2.0, "name": "capped"}}],
        "runtime": {"backend": "jax"},
    }
    models = {"here": here, "there": there}
    (pair,) = layerlens.compare({"input": {"shape": [3]}, "models": models}).scenarios[0].pairs
    assert pair.verdict == "different"
    assert pair.first_divergence is not None
    assert pair.first_divergence.candidate_layer == "capped"
