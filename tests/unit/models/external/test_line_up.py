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


def conv_file(path: Path, model: Any, size: Any, *, channels: str, bias: float = 0.0) -> Path:
    """Write a convolution of 3 channels with a kernel of 2 by 2; ONNX has the channels first."""
    kernel, own_bias = (np.asarray(value) for value in model.get_weights())
    weights = {
        "k": kernel.transpose(3, 2, 0, 1).copy(),
        "b": own_bias + np.float32(bias),
    }
    filters = kernel.shape[-1]
    left = "m" if isinstance(size, str) else size - 1
    if channels == "first":
        nodes = [node("Conv", "x k b", "y")]
        shapes = ["n", 3, size, size], ["n", filters, left, left]
    else:
        nodes = [
            node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
            node("Conv", "t k b", "c"),
            node("Transpose", "c", "y", perm=[0, 2, 3, 1]),
        ]
        shapes = ["n", size, size, 3], ["n", left, left, filters]
    return onnx_files.written(path, nodes, weights, {"x": shapes[0]}, shapes[1])


def conv_model(size: int | None, filters: int = 2, *, channels: str = "last") -> Any:
    shape = (3, size, size) if channels == "first" else (size, size, 3)
    layer = keras.layers.Conv2D(filters, 2, data_format=f"channels_{channels}")
    model = keras.Sequential([keras.Input(shape), layer])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


@pytest.mark.parametrize(
    ("size", "told"),
    [(5, "has its channels in another place, and was transposed"), (3, "agree only then")],
)
def test_channels_in_another_place_are_told(tmp_path: Path, size: int, told: str) -> None:
    """Where all axes are of one length, the outputs tell where the channels are."""
    model = conv_model(size)
    verdict, text = compared(model, conv_file(tmp_path / "m.onnx", model, size, channels="first"))
    assert verdict == "equivalent"
    assert told in text


def test_channels_of_inputs_and_outputs_that_fit_either_way(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3, 3, 3)), keras.layers.Conv2D(3, 1)])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    kernel, bias = (np.asarray(value) for value in model.get_weights())
    for name, factor, verdict in (("right", 1.0, "equivalent"), ("wrong", 1.01, "different")):
        path = onnx_files.written(
            tmp_path / f"{name}.onnx",
            [node("Conv", "x k b", "y")],
            {"k": kernel.transpose(3, 2, 0, 1) * np.float32(factor), "b": bias},
            {"x": ["n", 3, 3, 3]},
            ["n", 3, 3, 3],
        )
        found, text = compared(model, path)
        assert found == verdict
        places = ("the input `x` was transposed", "the output `y` was transposed")
        assert all((place in text) == (verdict == "equivalent") for place in places)


@pytest.mark.parametrize("channels", ["first", "last"])
def test_a_wrong_file_differs_in_each_layout(tmp_path: Path, channels: str) -> None:
    model = conv_model(3)
    path = conv_file(tmp_path / "m.onnx", model, 3, channels=channels, bias=1e-3)
    verdict, text = compared(model, path)
    assert verdict == "different"
    assert "the channels of the input `x` and the output `y` may be in another place" in text
    assert "do not agree then either" in text
    assert "was transposed" not in text


def test_a_file_of_the_same_layout_is_taken_as_it_is(tmp_path: Path) -> None:
    model = conv_model(3)
    verdict, text = compared(model, conv_file(tmp_path / "m.onnx", model, 3, channels="last"))
    assert verdict == "equivalent"
    assert "another place" not in text


def test_a_model_with_its_channels_first(tmp_path: Path) -> None:
    """Keras runs such a convolution on a GPU alone, and other layers everywhere."""
    layer = keras.layers.Permute((2, 3, 1))
    model = keras.Sequential([keras.Input((3, 3, 3)), layer, keras.layers.Flatten()])
    nodes = [node("Flatten", "x", "y")]
    path = onnx_files.written(tmp_path / "m.onnx", nodes, {}, {"x": ["n", 3, 3, 3]}, ["n", 27])
    verdict, text = compared(model, path)
    assert verdict == "equivalent"
    assert "the input `x` was transposed" in text


@pytest.mark.parametrize(("bias", "verdict"), [(0.0, "equivalent"), (0.1, "different")])
def test_open_lengths_with_channels_in_another_place(
    tmp_path: Path, bias: float, verdict: str
) -> None:
    """An open length fits any other one; the axis of the channels tells the layout."""
    model = conv_model(None)
    path = conv_file(tmp_path / "m.onnx", model, "s", channels="first", bias=bias)
    found, text = compared(model, path)
    assert found == verdict
    assert "the input `x` has its channels in another place, and was transposed" in text


@pytest.mark.parametrize("names", [["a", "b"], ["b", "a"], ["p", "q"], ["q", "p"]])
def test_inputs_whose_positions_do_not_fit_are_paired_by_shape(
    tmp_path: Path, names: list[str]
) -> None:
    """Names count first, and then positions, if the shapes fit there."""
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], keras.layers.Concatenate()([a, b]))
    first, second = sorted(names)
    sizes = {first: 2, second: 3}
    nodes = [node("Concat", f"{first} {second}", "y", axis=1)]
    path = onnx_files.written(
        tmp_path / "m.onnx", nodes, {}, {name: ["n", sizes[name]] for name in names}, ["n", 5]
    )
    verdict, text = compared(model, path)
    assert verdict == "equivalent"
    assert ("paired by shape and dtype" in text) == (names == ["q", "p"])


@pytest.mark.parametrize(("names", "verdict"), [("pq", "different"), ("ab", "equivalent")])
def test_inputs_that_are_swapped_differ(tmp_path: Path, names: str, verdict: str) -> None:
    """Positions fit, so that another order is not tried; equal names count instead of them."""
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    model = keras.Model([a, b], keras.layers.Subtract()([a, b]))
    first, second = names
    nodes = [node("Sub", f"{first} {second}", "y")]
    path = onnx_files.written(
        tmp_path / "m.onnx", nodes, {}, {second: ["n", 2], first: ["n", 2]}, ["n", 2]
    )
    found, text = compared(model, path)
    assert found == verdict
    assert "paired by position" in text or verdict == "equivalent"


@pytest.mark.parametrize("wrong", [False, True])
def test_several_inputs_of_one_shape_in_another_order(tmp_path: Path, wrong: bool) -> None:
    """Only the outputs tell which of two inputs of one shape is which."""
    a, b, c = (keras.Input((size,), name=name) for name, size in (("a", 2), ("b", 2), ("c", 3)))
    joined = keras.layers.Concatenate()([a, b, c])
    model = keras.Model([a, b, c], joined)
    nodes = [node("Concat", "r q p", "y", axis=1)]
    if wrong:
        nodes = [node("Concat", "q q p", "y", axis=1), node("Identity", "r", "unused")]
    path = onnx_files.written(
        tmp_path / "m.onnx", nodes, {}, {"p": ["n", 3], "q": ["n", 2], "r": ["n", 2]}, ["n", 7]
    )
    verdict, text = compared(model, path)
    assert verdict == ("different" if wrong else "equivalent")
    assert ("the inputs may be in another order" in text) == wrong


def test_a_file_is_compared_with_its_own_weights_after_another_layout(tmp_path: Path) -> None:
    """Trying one layout puts other weights into the file; the next one starts with its own."""
    model = conv_model(3)
    path = conv_file(tmp_path / "m.onnx", model, 3, channels="first")
    model.save(tmp_path / "m.keras")
    (scenario,) = layerlens.compare(str(tmp_path / "m.keras"), str(path)).scenarios
    assert scenario.pairs[0].verdict == "equivalent"
    assert scenario.models[1].runtime is not None
    assert scenario.models[1].runtime.weights == "named"


@pytest.mark.parametrize(
    ("names", "verdict"),
    [("q p", "equivalent"), ("p q", "different"), ("s t", "equivalent"), ("t s", "equivalent")],
)
def test_outputs_are_paired_by_name_or_else_by_position(
    tmp_path: Path, names: str, verdict: str
) -> None:
    import onnx
    from onnx import TensorProto, helper

    given = keras.Input((2,), name="x")
    outputs = [
        keras.layers.Rescaling(scale, name=name)(given) for name, scale in (("q", 2), ("p", 3))
    ]
    model = keras.Model(given, outputs)
    first, second = names.split()
    nodes = [node("Mul", "x two", first), node("Mul", "x three", second)]
    scales = {"two": np.float32(2), "three": np.float32(3)}
    path = onnx_files.written(tmp_path / "m.onnx", nodes, scales, {"x": ["n", 2]}, ["n", 2])
    file = onnx.load(path)
    del file.graph.output[:]
    file.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2])
        for name in (sorted(names.split()) if "q" in names else names.split())
    )
    path.write_bytes(file.SerializeToString())
    assert compared(model, path)[0] == verdict
