"""Inputs of exported files are lined up with those of a model, as far as the file tells them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import layerlens
from tests.unit.models.runtimes import onnx_files
from tests.unit.models.runtimes.onnx_files import node

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def compared(model: Any, path: Path) -> tuple[str, str]:
    """Return the verdict on a file, and what is said about it."""
    model.save(path.with_suffix(".keras"))
    report = layerlens.compare(str(path.with_suffix(".keras")), str(path))
    (scenario,) = report.scenarios
    return scenario.pairs[0].verdict, scenario.pairs[0].explanation


@pytest.mark.parametrize(("change", "verdict"), [(0.0, "equivalent"), (0.1, "different")])
def test_an_input_whose_shape_the_file_does_not_tell(
    tmp_path: Path, change: float, verdict: str
) -> None:
    import onnx

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "relu")])
    kernel, bias = np.eye(3, dtype="f4") * 0.7, np.float32([0.3, -0.2, 0.5])
    model.set_weights([kernel, bias])
    path = onnx_files.dense_file(tmp_path / "m.onnx", kernel, bias + np.float32(change))
    file = onnx.load(path)
    file.graph.input[0].type.tensor_type.ClearField("shape")
    path.write_bytes(file.SerializeToString())
    assert compared(model, path)[0] == verdict


@pytest.mark.parametrize(("size", "verdict"), [(5, "equivalent"), (3, "different")])
def test_channels_in_another_place_are_told(tmp_path: Path, size: int, verdict: str) -> None:
    """Where all axes are of one length, the shape does not tell where the channels are."""
    model = keras.Sequential([keras.Input((size, size, 3)), keras.layers.Conv2D(2, 2)])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    kernel, bias = (np.asarray(value) for value in model.get_weights())
    path = onnx_files.written(
        tmp_path / "m.onnx",
        [node("Conv", "x k b", "y")],
        {"k": kernel.transpose(3, 2, 0, 1).copy(), "b": bias},
        {"x": ["n", 3, size, size]},
        ["n", 2, size - 1, size - 1],
    )
    found, text = compared(model, path)
    assert found == verdict
    told = "was transposed" if verdict == "equivalent" else "it was taken as it is"
    assert told in text
