"""A hostile file costs its own pair: it is refused, or its process is stopped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerlens
from layerlens.models.runtimes import process
from tests.unit.models.runtimes import onnx_files
from tests.unit.models.runtimes.onnx_files import node

pytestmark = pytest.mark.usefixtures("backend")

KERNEL, BIAS = np.eye(3, dtype="f4"), np.zeros(3, "f4")


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def filled(path: Path, *shape: int) -> Path:
    """Write a file that makes a tensor of a size that no machine has."""
    nodes = [
        node("ConstantOfShape", "shape", "c"),
        node("ReduceSum", "c", "s", keepdims=0),
        node("Add", "x s", "y"),
    ]
    weights = {"shape": np.int64(shape)}
    return onnx_files.written(path, nodes, weights, {"x": ["n", 3]}, ["n", 3])


def with_data(path: Path, **entries: str) -> Path:
    """Write a file whose kernel is stored elsewhere, as the entries say."""
    import onnx

    model = onnx.load(onnx_files.dense_file(path, KERNEL, BIAS))
    tensor = next(one for one in model.graph.initializer if one.name == "k")
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())
    return path


def in_a_pipe(path: Path) -> Path:
    os.mkfifo(path.parent / "pipe")
    return with_data(path, location="pipe")


def beyond_the_end(path: Path) -> Path:
    (path.parent / "k.bin").write_bytes(KERNEL.tobytes())
    return with_data(path, location="k.bin", offset="8", length="99999999999999")


def endless(path: Path) -> Path:
    return onnx_files.endless_file(path)


def without_outputs(path: Path) -> Path:
    import onnx

    model = onnx.load(onnx_files.dense_file(path, KERNEL, BIAS))
    del model.graph.output[:]
    path.write_bytes(model.SerializeToString())
    return path


def of_opset_99(path: Path) -> Path:
    import onnx

    model = onnx.load(onnx_files.dense_file(path, KERNEL, BIAS))
    model.opset_import[0].version = 99
    path.write_bytes(model.SerializeToString())
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "tebibytes": (lambda path: filled(path, 2**20, 2**20), "ConstantOfShape"),
    "overflowing": (lambda path: filled(path, 2**40, 2**40), "ONNX Runtime"),
    "batch": (
        lambda path: onnx_files.dense_file(path, KERNEL, BIAS, batch=2**40),
        "Unable to allocate",
    ),
    "empty batch": (
        lambda path: onnx_files.dense_file(path, KERNEL, BIAS, batch=0),
        "it takes batches of 0 samples alone",
    ),
    "no outputs": (without_outputs, "the file has no outputs"),
    "opset": (of_opset_99, "this one has 99"),
    "pipe": (in_a_pipe, "is in pipe, which is not a file"),
    "length": (beyond_the_end, "ONNX Runtime"),
    "endless": (endless, "it was stopped because it took too long"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_it_costs_its_own_pair(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(process, "CALL_SECONDS", 5.0)
    make, message = HOSTILE[kind]
    ours = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "relu")])
    ours.set_weights([KERNEL, BIAS])
    ours.save(tmp_path / "ours.keras")
    models = {
        "ours": tmp_path / "ours.keras",
        "hostile": make(tmp_path / "m.onnx"),
        "right": onnx_files.dense_file(tmp_path / "right.onnx", KERNEL, BIAS),
    }
    (scenario,) = layerlens.compare({name: str(path) for name, path in models.items()}).scenarios
    assert [pair.verdict for pair in scenario.pairs] == ["build_error", "equivalent"]
    assert message in scenario.pairs[0].explanation


def test_tensors_for_training_are_not_read(tmp_path: Path) -> None:
    """They are not run; without this check one could be in any file."""
    import onnx

    path = onnx_files.dense_file(tmp_path / "m.onnx", KERNEL, BIAS)
    model = onnx.load(path)
    tensor = model.training_info.add().initialization.initializer.add()
    tensor.name, tensor.data_type, tensor.data_location = "w", 1, 1
    tensor.dims.append(4)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", str(tmp_path / "absent")
    path.write_bytes(model.SerializeToString())
    runtime = process.RuntimeProcess("onnx_runtime")
    head: dict[str, Any] = runtime.ask({"op": "load", "path": str(path)})[0]
    assert head["inputs"][0]["name"] == "x"
    runtime.close()


def test_a_pipe_in_the_place_of_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    models = {"a": str(tmp_path / "m.onnx"), "b": str(tmp_path / "m.onnx")}
    (error,) = layerlens.compare(models).scenarios[0].errors
    assert error.message == "m.onnx is not a file"
