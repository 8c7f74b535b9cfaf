"""ONNX files for tests, made of the weights of Keras models without an exporter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def written(
    path: Path,
    nodes: Sequence[Any],
    weights: dict[str, Any],
    inputs: dict[str, Sequence[Any]],
    output: Sequence[Any],
    opset: int = 15,
) -> Path:
    """Write a file whose last result is called `y`; shapes have a name for an open length."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        list(nodes),
        "test",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(output))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.example", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, path)
    return path


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def dense_file(path: Path, kernel: Any, bias: Any, *, batch: Any = "n") -> Path:
    """Write a dense layer with `relu`."""
    nodes = [node("MatMul", "x k", "a"), node("Add", "a b", "s"), node("Relu", "s", "y")]
    size_in, size_out = kernel.shape
    weights = {"k": kernel, "b": bias}
    return written(path, nodes, weights, {"x": [batch, size_in]}, [batch, size_out])


def gru_file(path: Path, kernel: Any, recurrent: Any, bias: Any, steps: int) -> Path:
    """Write a GRU with `reset_after` that returns its last state, from weights as Keras has them.

    Keras and ONNX order the gates alike: update, reset, new state.
    """
    size, units = len(kernel), len(recurrent)
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("GRU", "t w r b", "all last", hidden_size=units, linear_before_reset=1),
        node("Squeeze", "last zero", "y"),
    ]
    weights = {
        "w": kernel.T[None],
        "r": recurrent.T[None],
        "b": np.concatenate([bias[0], bias[1]])[None],
        "zero": np.int64([0]),
    }
    return written(path, nodes, weights, {"x": ["n", steps, size]}, ["n", units])


def normalized_file(path: Path, values: Sequence[Any], epsilon: float) -> Path:
    """Write a batch normalization of gamma, beta, mean and variance."""
    names = dict(zip(("g", "o", "m", "v"), values, strict=True))
    nodes = [node("BatchNormalization", "x g o m v", "y", epsilon=epsilon)]
    size = len(values[0])
    return written(path, nodes, names, {"x": ["n", size]}, ["n", size])


def gelu_file(path: Path, kernel: Any, bias: Any, approximate: str) -> Path:
    """Write a dense layer with `gelu`: exact with "none", by tanh with "tanh"."""
    nodes = [
        node("MatMul", "x k", "a"),
        node("Add", "a b", "s"),
        node("Gelu", "s", "y", approximate=approximate),
    ]
    size_in, size_out = kernel.shape
    weights = {"k": kernel, "b": bias}
    return written(path, nodes, weights, {"x": ["n", size_in]}, ["n", size_out], opset=20)


def endless_file(path: Path) -> Path:
    """Write a loop of so many steps that it does not end; the first run is one of zero steps."""
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [node("Identity", "go", "on"), node("Add", "v v", "w")],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [None, 3]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [None, 3]),
        ],
    )
    nodes = [
        node("ReduceMax", "x", "size", keepdims=0),
        node("Cast", "size", "count", to=TensorProto.INT64),
        node("Mul", "count many", "steps"),
        helper.make_node("Loop", ["steps", "", "x"], ["y"], body=body),
    ]
    weights = {"many": np.int64(2**60)}
    return written(path, nodes, weights, {"x": ["n", 3]}, ["n", 3])
