"""Weights are found in an ONNX file by their values, however an exporter arranged them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.models.runtimes import onnx_files

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype("float32")


def found(folder: Path, tensors: dict[str, Any], weights: list[Any], *nodes: Any) -> Any:
    from layerlens.models.runtimes.worker.onnx_weights import NamedWeights

    nodes = nodes or (onnx_files.node("Identity", "x", "y"),)
    path = onnx_files.written(folder / "m.onnx", nodes, tensors, {"x": ["n", 2]}, ["n", 2])
    return NamedWeights(onnx.load(path), weights)


def tensors_with(named: Any, values: list[Any]) -> dict[str, Any]:
    model = named.with_values(values)
    return {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}


ARRANGED = {
    "as it is": lambda w: w,
    "transposed": lambda w: w.transpose(3, 2, 0, 1),
    "in another shape": lambda w: w.reshape(1, 6, -1),
    "transposed into another shape": lambda w: w.transpose(2, 0, 1, 3).reshape(4, -1),
    "negated": lambda w: -w,
    "in other order": lambda w: w.reshape(-1)[::-1].copy(),
}


@pytest.mark.parametrize("name", ARRANGED)
def test_one_weight(tmp_path: Path, name: str) -> None:
    weight, other = drawn(2, 3, 4, 5), drawn(2, 3, 4, 5, seed=1)
    arrange = ARRANGED[name]
    named = found(tmp_path, {"k": arrange(weight)}, [weight])
    assert (named.complete, named.missing, named.names) == (True, [], {0: "k"})
    np.testing.assert_array_equal(tensors_with(named, [other])["k"], arrange(other))
    np.testing.assert_array_equal(tensors_with(named, [weight])["k"], arrange(weight))


def gates(kernel: Any, bias: Any) -> dict[str, Any]:
    """Arrange the weights of an LSTM as ONNX does, with zeros for a second bias."""
    order = (0, 3, 1, 2)
    blocks = [np.split(one, 4, -1) for one in (kernel, bias)]
    w, b = (np.concatenate([block[n] for n in order], -1) for block in blocks)
    return {"w": w.T[None].copy(), "b": np.concatenate([b, np.zeros_like(b)])[None]}


def test_gates_in_another_order_and_joined_biases(tmp_path: Path) -> None:
    weights = [drawn(3, 8), drawn(8)]
    named = found(tmp_path, gates(*weights), weights)
    assert named.complete
    others = [drawn(3, 8, seed=1), drawn(8, seed=1)]
    for name, value in gates(*others).items():
        np.testing.assert_array_equal(tensors_with(named, others)[name], value)


def test_a_value_that_two_weights_have(tmp_path: Path) -> None:
    first, second = drawn(6), drawn(8)
    second[0] = first[0]
    tensors = {"a": first[::-1].copy(), "b": second[::-1].copy()}
    named = found(tmp_path, tensors, [first, second])
    assert named.complete
    np.testing.assert_array_equal(
        tensors_with(named, [first + 1, second + 2])["b"], second[::-1] + 2
    )


def test_equal_weights_cannot_be_told_apart(tmp_path: Path) -> None:
    zeros = np.zeros(4, "float32")
    named = found(tmp_path, {"k": drawn(4, 4), "a": zeros, "b": zeros}, [drawn(4, 4), zeros, zeros])
    assert (named.complete, named.missing) == (False, [1, 2])


def test_a_square_weight_that_is_its_own_transpose(tmp_path: Path) -> None:
    symmetric = drawn(3, 3) + drawn(3, 3).T
    assert not found(tmp_path, {"k": symmetric}, [symmetric]).complete


def test_a_weight_that_is_not_there(tmp_path: Path) -> None:
    weights = [drawn(2, 3), drawn(3)]
    named = found(tmp_path, {"k": weights[0] * np.float32(1.5), "b": weights[1]}, weights)
    assert (named.complete, named.missing) == (False, [0])


def test_another_array_may_be_computed_from_weights(tmp_path: Path) -> None:
    weight = drawn(2, 3)
    assert not found(tmp_path, {"k": weight, "c": weight.sum(0)}, [weight]).complete
    node = onnx_files.node("Constant", "", "c", value_floats=[0.5, 0.25])
    with_node = found(tmp_path, {"k": weight}, [weight], node)
    assert not with_node.complete


def test_initial_states_and_single_numbers(tmp_path: Path) -> None:
    weight = drawn(2, 3)
    tensors = {"k": weight, "state": np.zeros((1, 4), "float32"), "eps": np.float32(0.25)}
    node = onnx_files.node("Constant", "", "c", value_float=0.75)
    named = found(tmp_path, tensors, [weight], node)
    assert (named.complete, sorted(named.numbers)) == (True, [0.25, 0.75])


def test_a_single_number_is_no_element_of_a_larger_weight(tmp_path: Path) -> None:
    weight = drawn(2, 3)
    weight[0, 0] = 0.5
    named = found(tmp_path, {"k": weight, "half": np.float32(0.5)}, [weight])
    assert named.complete
    assert tensors_with(named, [weight + 1])["half"] == np.float32(0.5)


def test_a_model_without_weights(tmp_path: Path) -> None:
    assert not found(tmp_path, {}, []).complete
    assert not found(tmp_path, {}, [np.int32([1, 2])]).complete
