"""An ONNX file in which all weights are found is tried on other weights too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.unit.comparison.test_foreign_answers import FEATURES, UNITS, report_of, saved
from tests.unit.models.runtimes import onnx_files

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytestmark = pytest.mark.usefixtures("backend")


def without_kernel(folder: Path) -> tuple[Path, Any]:
    """Save a dense layer whose kernel is zero, so that a file may do anything with it."""
    model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(UNITS, "relu")])
    bias = np.linspace(0.3, 0.9, UNITS, dtype="float32")
    model.set_weights([np.zeros((FEATURES, UNITS)), bias])
    model.save(folder / "model.keras")
    return folder / "model.keras", model.get_weights()


def file_of(path: Path, kernel: Any, bias: Any, *nodes: Any, **more: Any) -> Path:
    nodes = (*nodes, onnx_files.node("Add", "a b", "s"), onnx_files.node("Relu", "s", "y"))
    weights = {"k": kernel, "b": bias, **more}
    return onnx_files.written(path, nodes, weights, {"x": ["n", FEATURES]}, ["n", UNITS])


def test_the_file_is_right_for_all_weights(tmp_path: Path) -> None:
    path, (kernel, bias) = without_kernel(tmp_path)
    file = file_of(tmp_path / "m.onnx", kernel, bias, onnx_files.node("MatMul", "x k", "a"))
    scenario = report_of(path, file)
    (pair,) = scenario.pairs
    assert (pair.verdict, pair.strength, pair.unseen) == ("equivalent", "tested", ())
    assert pair.transfer is not None
    assert pair.transfer.method == "by_value"
    assert [target for _, target in pair.transfer.pairs] == ["k", "b"]
    assert scenario.models[1].runtime is not None
    assert scenario.models[1].runtime.weights == "named"
    assert "Then both ran on other weights" in pair.explanation


def test_the_file_is_right_for_its_own_weights_alone(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(UNITS, "relu")])
    kernel = np.linspace(0.2, 0.7, FEATURES * UNITS, dtype="float32").reshape(FEATURES, UNITS)
    model.set_weights([kernel, np.linspace(0.3, 0.9, UNITS)])
    model.save(tmp_path / "model.keras")
    nodes = (onnx_files.node("Abs", "k", "p"), onnx_files.node("MatMul", "x p", "a"))
    file = file_of(tmp_path / "m.onnx", kernel, model.get_weights()[1], *nodes)
    (pair,) = report_of(tmp_path / "model.keras", file).pairs
    assert (pair.verdict, pair.only_at_initialization) == ("different", True)
    assert "agree only on the weights that the file holds" in pair.explanation


def test_an_array_of_zeros_may_be_something_else(tmp_path: Path) -> None:
    path, (kernel, bias) = without_kernel(tmp_path)
    nodes = (
        onnx_files.node("MatMul", "x k", "m"),
        onnx_files.node("Add", "m m", "a"),
    )
    file = file_of(tmp_path / "m.onnx", kernel, bias, *nodes)
    scenario = report_of(path, file)
    (pair,) = scenario.pairs
    assert (pair.verdict, pair.strength) == ("equivalent", "weak")
    assert scenario.models[1].runtime is not None
    assert scenario.models[1].runtime.weights == "frozen"
    assert "an array of 0 may be something else" in pair.explanation


def test_a_number_in_the_file_may_be_computed_from_weights(tmp_path: Path) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    size = np.abs(kernel).max()
    nodes = (
        onnx_files.node("Abs", "k", "p"),
        onnx_files.node("ReduceMax", "p", "now", keepdims=0),
        onnx_files.node("Div", "c now", "one"),
        onnx_files.node("MatMul", "x k", "m"),
        onnx_files.node("Mul", "m one", "a"),
    )
    scenario = report_of(path, file_of(tmp_path / "m.onnx", kernel, bias, *nodes, c=size))
    assert scenario.pairs[0].verdict == "equivalent"
    assert f"the number {size:.6g} may be computed from the weights" in (
        scenario.pairs[0].explanation
    )


def test_weights_that_went_into_others(tmp_path: Path) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    nodes = (onnx_files.node("MatMul", "x k", "m"), onnx_files.node("Mul", "m two", "a"))
    half = file_of(tmp_path / "m.onnx", kernel / 2, bias, *nodes, two=np.float32(2))
    scenario = report_of(path, half)
    assert scenario.pairs[0].verdict == "equivalent"
    assert scenario.models[1].runtime is not None
    assert scenario.models[1].runtime.weights == "frozen"
    assert "/kernel` cannot be told apart" in scenario.pairs[0].explanation


@pytest.mark.parametrize("fault", [None, "gate order"])
def test_a_reference_evaluator_computes_in_float64(tmp_path: Path, fault: str | None) -> None:
    path, (kernel, recurrent, bias) = saved(tmp_path, keras.layers.GRU(UNITS), shape=(4, FEATURES))
    if fault:
        kernel = np.concatenate([np.split(kernel, 3, 1)[n] for n in (1, 0, 2)], 1)
    file = onnx_files.gru_file(tmp_path / "m.onnx", kernel, recurrent, bias, 4)
    scenario = report_of(path, file)
    (pair,) = scenario.pairs
    assert pair.verdict == ("different" if fault else "equivalent")
    runtime = scenario.models[1].runtime
    assert runtime is not None
    assert (runtime.weights, runtime.float64) == ("named", "widened")
    assert "in onnx's reference evaluator" in pair.explanation
    if not fault:
        assert pair.rounding is not None
        assert pair.rounding.float64_max_abs is not None
        assert pair.rounding.float64_max_abs < 1e-13
