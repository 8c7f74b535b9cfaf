"""Weights in the layout of their age: each model computes what its layers computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerlens.errors import ModelFileError
from tests.unit.models.external.older.old_files import (
    chain,
    convolved,
    graph,
    gru,
    hard_sigmoid,
    layer,
    loaded,
    lstm,
    node,
    outputs,
    random,
    sigmoid,
    write_h5,
)

pytestmark = pytest.mark.usefixtures("backend")

X = random(2, 5, 3)


def gates(names: str, inputs: int, units: int) -> dict[str, Any]:
    return {gate: (random(inputs, units), random(units, units), random(units)) for gate in names}


def separate(layer_name: str, order: str, by_gate: dict[str, Any]) -> dict[str, Any]:
    """Return the weights as Keras 1 kept them unless it ran on a GPU: each gate on its own."""
    return {
        f"{layer_name}_{part}_{gate}": values
        for gate in order
        for part, values in zip("WUb", by_gate[gate], strict=True)
    }


def joined(order: str, by_gate: dict[str, Any]) -> list[Any]:
    return [np.concatenate([by_gate[gate][part] for gate in order], axis=-1) for part in range(3)]


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_dense_layers_of_keras_1(tmp_path: Path) -> None:
    first, second = (random(4, 3), random(3)), (random(3, 2), random(2))
    arguments = {"init": "glorot_uniform", "bias": True, "W_constraint": None, "input_dim": 4}
    config = chain(
        layer(
            "Dense", "dense_1", batch_input_shape=[None, 4], output_dim=3, activation="relu",
            W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.1}, **arguments,
        ),
        layer("Dropout", "dropout_1", p=0.5),
        layer("Dense", "dense_2", output_dim=2, activation="hard_sigmoid", **arguments),
    )  # fmt: skip
    weights = {
        "dense_1": {"dense_1_W": first[0], "dense_1_b": first[1]},
        "dropout_1": {},
        "dense_2": {"dense_2_W": second[0], "dense_2_b": second[1]},
    }
    training = '{"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.1}}, "loss": "x"}'
    path = write_h5(tmp_path / "m.h5", config, weights, training_config=training)
    x = random(5, 4)
    hidden = np.maximum(x @ first[0] + first[1], 0)
    close(outputs(path, x), hard_sigmoid(hidden @ second[0] + second[1]))
    report = loaded(path).report
    assert report.params == 23
    for line in ("`output_dim` -> `units`", "`p` -> `rate`", "`WeightRegularizer` -> `L1L2`"):
        assert f"Translated from Keras 1.2.2: {line}" in report.notes


@pytest.mark.parametrize("joint", [False, True], ids=["gate by gate", "joined"])
def test_recurrent_layers_of_keras_1(tmp_path: Path, joint: bool) -> None:
    of_lstm, of_gru = gates("ifco", 3, 4), gates("zrh", 3, 2)
    weights = {
        "lstm_1": separate("lstm_1", "icfo", of_lstm),
        "gru_1": separate("gru_1", "zrh", of_gru),
    }
    if joint:
        names = ("W", "U", "b")
        weights = {
            "lstm_1": {
                f"lstm_1_{part}": one
                for part, one in zip(names, joined("ifco", of_lstm), strict=True)
            },
            "gru_1": {
                f"gru_1_{part}": one for part, one in zip(names, joined("zrh", of_gru), strict=True)
            },
        }
    recurrent = {
        "init": "glorot_uniform",
        "inner_init": "orthogonal",
        "activation": "tanh",
        "inner_activation": "hard_sigmoid",
        "consume_less": "gpu" if joint else "cpu",
        "dropout_W": 0.0,
        "U_regularizer": None,
    }
    config = graph(
        ["input_1"],
        ["lstm_1", "gru_1"],
        node("InputLayer", "input_1", [], batch_input_shape=[None, 5, 3], input_dtype="float32"),
        node("LSTM", "lstm_1", ["input_1"], output_dim=4, forget_bias_init="one", **recurrent),
        node("GRU", "gru_1", ["input_1"], output_dim=2, **recurrent),
    )
    found = outputs(write_h5(tmp_path / "m.h5", config, weights), X)
    close(found[0], lstm(X, of_lstm))
    close(found[1], gru(X, of_gru))


def cudnn(order: str, by_gate: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return weights as CuDNN keeps them: each gate's kernels transposed, the bias split."""
    kernel = np.hstack([by_gate[gate][0].T.reshape(by_gate[gate][0].shape) for gate in order])
    recurrent = np.hstack([by_gate[gate][1].T for gate in order])
    bias = np.concatenate([by_gate[gate][2] for gate in order])
    return kernel, recurrent, bias


def test_cudnn_layers(tmp_path: Path) -> None:
    of_lstm, of_gru = gates("ifco", 3, 4), gates("zrh", 3, 2)
    kernel, recurrent, bias = cudnn("ifco", of_lstm)
    part = random(len(bias))
    gru_kernel, gru_recurrent, gru_bias = cudnn("zrh", of_gru)
    inner_bias = np.zeros_like(gru_bias)
    inner_bias[-2:] = random(2)
    weights = {
        "l": {
            "l/kernel:0": kernel,
            "l/recurrent_kernel:0": recurrent,
            "l/bias:0": np.concatenate([part, bias - part]),
        },
        "g": {
            "g/kernel:0": gru_kernel,
            "g/recurrent_kernel:0": gru_recurrent,
            "g/bias:0": np.concatenate([gru_bias, inner_bias]),
        },
    }
    config = graph(
        ["x"],
        ["l", "g"],
        node("InputLayer", "x", [], batch_input_shape=[None, 5, 3], dtype="float32"),
        node("CuDNNLSTM", "l", ["x"], units=4, unit_forget_bias=True, return_sequences=False),
        node("CuDNNGRU", "g", ["x"], units=2, return_sequences=False),
    )
    path = write_h5(tmp_path / "m.h5", config, weights, "2.2.4", "tensorflow")
    found = outputs(path, X)
    close(found[0], lstm(X, of_lstm, sigmoid))
    h = np.zeros((2, 2))
    for step in range(5):  # after the product: the inner bias is reset too
        z, r = (
            sigmoid(X[:, step] @ of_gru[gate][0] + h @ of_gru[gate][1] + of_gru[gate][2])
            for gate in "zr"
        )
        w, u, b = of_gru["h"]
        h = z * h + (1 - z) * np.tanh(X[:, step] @ w + b + r * (h @ u + inner_bias[-2:]))
    close(found[1], h)
    assert "Translated from Keras 2.2.4: `CuDNNLSTM` -> `LSTM`" in loaded(path).report.notes


IMAGES = random(2, 6, 6, 2)
CONVOLUTION = {"nb_filter": 3, "nb_row": 3, "nb_col": 2, "border_mode": "valid"}


def test_a_convolution_of_keras_1(tmp_path: Path) -> None:
    kernel, bias, dense = random(3, 2, 2, 3), random(3), random(15, 2)
    statistics = {"gamma": random(3), "beta": random(3), "running_mean": random(3)}
    statistics["running_std"] = np.abs(random(3)) + 0.5  # a variance, in spite of its name
    config = chain(
        layer(
            "Convolution2D", "c", batch_input_shape=[None, 6, 6, 2], subsample=[1, 1],
            dim_ordering="tf", activation="linear", bias=True, **CONVOLUTION,
        ),
        layer("BatchNormalization", "b", mode=0, axis=-1, epsilon=0.01, momentum=0.9),
        layer("MaxPooling2D", "p", pool_size=[1, 5], strides=[1, 5], border_mode="valid",
              dim_ordering="tf"),
        layer("ZeroPadding2D", "z", padding=[0, 0, 1, 0]),
        layer("Cropping2D", "k", cropping=[[0, 0], [1, 0]]),
        layer("UpSampling2D", "u", size=[1, 1]),
        layer("Reshape", "r", target_shape=[4, 3]),
        layer("LeakyReLU", "l", alpha=0.5),
        layer("GaussianNoise", "n", sigma=0.1),
        layer("AveragePooling1D", "a", pool_length=4, stride=None, border_mode="valid"),
        layer("Flatten", "f"),
    )  # fmt: skip
    weights = {
        "c": {"c_W:0": kernel, "c_b:0": bias},
        "b": {f"b_{name}:0": values for name, values in statistics.items()},
    }
    path = write_h5(tmp_path / "m.h5", config, weights)
    x = convolved(IMAGES, kernel) + bias
    scale = statistics["gamma"] / np.sqrt(statistics["running_std"] + 0.01)
    x = (x - statistics["running_mean"]) * scale + statistics["beta"]
    x = x.max(axis=2)
    x = np.where(x > 0, x, 0.5 * x).mean(axis=1)
    close(outputs(path, IMAGES), x)
    assert dense.shape == (15, 2)


def test_kernels_of_theano_are_turned_over(tmp_path: Path) -> None:
    kernel, bias = random(3, 2, 2, 3), random(3)
    config = chain(
        layer("Conv2D", "c", batch_input_shape=[None, 6, 6, 2], filters=3, kernel_size=[3, 2]),
        version="2.1.6",
    )
    weights = {"c": {"c/kernel": kernel, "c/bias": bias}}
    path = write_h5(tmp_path / "m.h5", config, weights, "2.1.6", "theano")
    close(outputs(path, IMAGES), convolved(IMAGES, kernel[::-1, ::-1]) + bias)
    assert any("as in Theano" in note for note in loaded(path).report.notes)


def kernel_of(path: Path) -> Any:
    return np.asarray(loaded(path).model.layers[-1].kernel)


@pytest.mark.parametrize("shape", ["last", "first"])
def test_a_convolution_over_time(tmp_path: Path, shape: str) -> None:
    kernel = random(2, 3, 4)
    stored = kernel[:, None] if shape == "last" else np.transpose(kernel, (2, 1, 0))[..., None]
    arguments = {"nb_filter": 4, "filter_length": 2, "subsample_length": 1, "border_mode": "same"}
    one = layer("Convolution1D", "c", batch_input_shape=[None, 5, 3], bias=False, **arguments)
    weights = {"c": {"c_W": stored}}
    np.testing.assert_array_equal(
        kernel_of(write_h5(tmp_path / "m.h5", chain(one), weights, "1.1.0")), kernel
    )


def test_channels_first(tmp_path: Path) -> None:
    """TensorFlow does not run these on a CPU, so that the layout itself is looked at."""
    kernel = random(3, 2, 2, 3)
    one = layer(
        "Convolution2D", "c", batch_input_shape=[None, 2, 6, 6], dim_ordering="th", bias=False,
        **CONVOLUTION,
    )  # fmt: skip
    zero = layer("ZeroPadding2D", "z", padding=[1, 1])
    weights = {"c": {"c_W": np.transpose(kernel, (3, 2, 0, 1))}}
    path = write_h5(tmp_path / "m.h5", chain(one), weights)
    np.testing.assert_array_equal(kernel_of(path), kernel)
    assert "whether Theano, which flips" in str(loaded(path).unrestored)
    padded = loaded(write_h5(tmp_path / "z.h5", chain(one, zero), weights)).report
    assert padded.output_shape == (None, 3, 6, 7)
    assert any("`data_format: channels_first`" in note for note in padded.notes)


def test_a_transposed_convolution_is_held_against_its_shape(tmp_path: Path) -> None:
    kernel = random(3, 2, 3, 2)  # rows, columns, filters, inputs
    arguments = {**CONVOLUTION, "dim_ordering": "tf", "bias": False, "subsample": [2, 2]}
    weights = {"d": {"d_W": np.transpose(kernel, (0, 1, 3, 2))}}

    def file(rows: int) -> Path:
        shape = [None, rows, 12, 3]
        one = layer(
            "Deconvolution2D", "d", batch_input_shape=[None, 6, 6, 2], output_shape=shape,
            **arguments,
        )  # fmt: skip
        return write_h5(tmp_path / f"{rows}.h5", chain(one), weights)

    np.testing.assert_array_equal(kernel_of(file(13)), kernel)
    with pytest.raises(ModelFileError, match=r"`d` has the shape \[14, 12, 3\]; in Keras 3 it is"):
        loaded(file(14))


def test_layers_that_are_composed_in_keras_3(tmp_path: Path) -> None:
    maxout = random(4, 3, 5), random(4, 5)
    highway = {name: random(5, 5) if name.startswith("W") else random(5) for name in
               ("W", "W_carry", "b", "b_carry")}  # fmt: skip
    config = chain(
        layer("MaxoutDense", "m", batch_input_shape=[None, 3], output_dim=5, nb_feature=4),
        layer("Highway", "h", activation="relu", init="glorot_uniform", bias=True),
        layer("ThresholdedReLU", "t", theta=0.3),
    )
    weights = {
        "m": {"m_W": maxout[0], "m_b": maxout[1]},
        "h": {f"h_{name}": values for name, values in highway.items()},
    }
    x = random(6, 3)
    hidden = (np.einsum("bi,kio->bko", x, maxout[0]) + maxout[1]).max(axis=1)
    gate = sigmoid(hidden @ highway["W_carry"] + highway["b_carry"])
    changed = np.maximum(hidden @ highway["W"] + highway["b"], 0)
    expected = gate * changed + (1 - gate) * hidden
    path = write_h5(tmp_path / "m.h5", config, weights)
    close(outputs(path, x), np.where(expected > 0.3, expected, 0))
    assert loaded(path).report.params == 4 * (3 * 5 + 5) + 2 * (5 * 5 + 5)


def test_a_chain_that_begins_by_merging_others(tmp_path: Path) -> None:
    left, right, out = random(3, 2), random(4, 2), random(4, 1)
    config = chain(
        {
            "class_name": "Merge",
            "config": {
                "name": "merge_1", "mode": "concat", "mode_type": "raw", "concat_axis": -1,
                "dot_axes": -1, "output_shape": None, "output_shape_type": "raw", "arguments": {},
                "layers": [
                    chain(layer("Dense", "l", batch_input_shape=[None, 3], output_dim=2,
                                bias=False)),
                    chain(layer("Dense", "r", batch_input_shape=[None, 4], output_dim=2,
                                bias=False)),
                ],
            },
        },
        layer("Dense", "o", output_dim=1, bias=False),
    )  # fmt: skip
    weights = {"l": {"l_W": left}, "r": {"r_W": right}, "merge_1": {}, "o": {"o_W": out}}
    a, b = random(5, 3), random(5, 4)
    path = write_h5(tmp_path / "m.h5", config, weights)
    close(outputs(path, a, b), np.concatenate([a @ left, b @ right], axis=1) @ out)
    assert "Translated from Keras 1.2.2: `Merge: concat` -> `Concatenate`" in (
        loaded(path).report.notes
    )


@pytest.mark.parametrize("order", ["trainable first", "layer by layer"])
def test_a_model_within_a_model(tmp_path: Path, order: str) -> None:
    """Its weights stand in one list; it is applied twice, and its calls count from one."""
    first, second = random(3, 3), random(3, 2)
    gamma, beta, mean, variance = (np.abs(random(3)) + 0.5 for _ in range(4))
    inner = {
        "class_name": "Sequential",
        "config": [
            layer("Dense", "d1", batch_input_shape=[None, 3], units=3, use_bias=False),
            layer("BatchNormalization", "n", axis=-1, epsilon=0.001, momentum=0.9),
            layer("Dense", "d2", units=2, use_bias=False),
        ],
        "name": "base",
        "inbound_nodes": [[["a", 0, 0]], [["b", 0, 0]]],
    }
    shape = {"batch_input_shape": [None, 3], "dtype": "float32"}
    config = graph(
        ["a", "b"],
        ["s", ["base", 2, 0]],
        node("InputLayer", "a", [], **shape),
        node("InputLayer", "b", [], **shape),
        inner,
        node("Subtract", "s", [["base", 1, 0], ["base", 2, 0]]),
    )
    named = {
        "d1/kernel:0": first,
        "n/gamma:0": gamma,
        "n/beta:0": beta,
        "n/moving_mean:0": mean,
        "n/moving_variance:0": variance,
        "d2/kernel:0": second,
    }
    if order == "trainable first":
        names = sorted(named, key=lambda name: "moving" in name)
        named = {name: named[name] for name in names}
    path = write_h5(tmp_path / "m.h5", config, {"base": named}, "2.1.6", "tensorflow")

    def base(x: Any) -> Any:
        return ((x @ first - mean) * gamma / np.sqrt(variance + 0.001) + beta) @ second

    a, b = random(4, 3), random(4, 3)
    found = outputs(path, a, b)
    close(found[0], base(a) - base(b))
    close(found[1], base(b))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"d": {"d_W": random(4, 2), "d_b": random(2)}}, r"has the shape \(3, 2\), but the file's"),
        ({"d": {"d_W": random(3, 2)}}, "layer `d` has 2 weights, the file 1 for it"),
        ({}, "the model has 1 layers with weights, the file 0; it has none for `d`"),
        ({"d": {"d_b": random(3, 2), "d_W": random(2)}}, "the file has `d_b` where `d` has"),
    ],
    ids=["shape", "count", "none", "crossed"],
)
def test_weights_that_do_not_fit(tmp_path: Path, weights: Any, message: str) -> None:
    one = layer("Dense", "d", batch_input_shape=[None, 3], output_dim=2)
    with pytest.raises(ModelFileError, match=message) as caught:
        loaded(write_h5(tmp_path / "m.h5", chain(one), weights))
    assert "(saved by Keras 1.2.2)" in caught.value.message


def test_layers_are_found_by_name_else_in_order(tmp_path: Path) -> None:
    """Two layers of one shape stand in another order in the file."""
    first, second = random(3, 3), random(3, 3)
    config = chain(
        layer("Dense", "p", batch_input_shape=[None, 3], output_dim=3, bias=False),
        layer("Dense", "q", output_dim=3, bias=False, activation="relu"),
    )
    x = random(4, 3)
    expected = np.maximum(x @ first @ second, 0)
    swapped = {"q": {"q_W": second}, "p": {"p_W": first}}
    close(outputs(write_h5(tmp_path / "m.h5", config, swapped), x), expected)
    renamed = {"u": {"u_W": first}, "v": {"v_W": second}}
    close(outputs(write_h5(tmp_path / "r.h5", config, renamed), x), expected)
