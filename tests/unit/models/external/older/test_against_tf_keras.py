"""Files that Keras 2 itself wrote compute here what they computed there."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.models.external.older.old_files import loaded, random

K = pytest.importorskip("tf_keras", reason="tf_keras, which is Keras 2, is not installed")
L = K.layers

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.nightly]


def dense() -> Any:
    return K.Sequential(
        [
            L.Dense(5, activation="hard_sigmoid", input_shape=(4,)),
            L.BatchNormalization(),
            L.LeakyReLU(),
            L.ThresholdedReLU(0.3),
            L.Dense(3, activation="softmax"),
        ]
    )


def images() -> Any:
    return K.Sequential(
        [
            L.Rescaling(0.5, input_shape=(9, 9, 2)),
            L.RandomFlip("horizontal"),
            L.Conv2D(4, 3, padding="same"),
            L.SeparableConv2D(3, 3),
            L.DepthwiseConv2D(3),
            L.PReLU(),
            L.Conv2DTranspose(2, 3, strides=2),
            L.UpSampling2D(2),
            L.GlobalAveragePooling2D(),
        ]
    )


def recurrent() -> Any:
    cells = [L.LSTMCell(3), L.GRUCell(4)]
    return K.Sequential(
        [
            L.Bidirectional(
                L.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid"),
                input_shape=(6, 2),
            ),
            L.GRU(4, return_sequences=True),
            L.GRU(3, reset_after=False, return_sequences=True),
            L.TimeDistributed(L.BatchNormalization()),
            L.RNN(cells, return_sequences=True),
            L.SimpleRNN(3),
        ]
    )


def convolutions_over_time() -> Any:
    return K.Sequential([L.ConvLSTM2D(2, 3, input_shape=(4, 5, 5, 1)), L.Flatten(), L.Dense(2)])


def applied_twice() -> Any:
    base = K.Sequential(
        [L.Dense(4, input_shape=(3,), name="b1"), L.BatchNormalization(), L.Dense(4, name="b2")],
        name="base",
    )
    base.layers[0].trainable = base.layers[1].trainable = False
    between = K.Input((4,))
    inner = K.Model(between, L.Dense(4)(L.BatchNormalization()(between)), name="inner")
    one, other = K.Input((3,)), K.Input((3,))
    x, y = inner(base(one)), inner(base(other))
    return K.Model([one, other], [L.Dense(2)(L.Concatenate()([x, y, L.Subtract()([x, y])])), x])


def operations() -> Any:
    inputs = K.Input((6,))
    x = L.Dense(4)(L.ReLU()((inputs * 2.0 + 1.0 - 0.5) / 3.0))
    return K.Model(inputs, 1.0 - x)


def states() -> Any:
    steps, h, c = K.Input((5, 3)), K.Input((4,)), K.Input((4,))
    found, *ends = L.LSTM(4, return_state=True, return_sequences=True)(steps, initial_state=[h, c])
    return K.Model([steps, h, c], [found, L.LSTM(4)(steps, initial_state=ends)])


def attention() -> Any:
    one, other = K.Input((5, 8)), K.Input((4, 8))
    x = L.LayerNormalization()(L.MultiHeadAttention(2, 4)(one, value=other) + one)
    return K.Model([one, other], L.Attention()([x, other]))


def adapted() -> Any:
    layer = L.Normalization()
    layer.adapt(3 * random(50, 4) + 2)
    return K.Sequential([K.Input((4,)), layer, L.Dense(2)])


def stateful() -> Any:
    return K.Sequential([L.LSTM(3, stateful=True, batch_input_shape=(2, 5, 3)), L.Dense(2)])


def mobile_net() -> Any:
    return K.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=5)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    "build",
    [
        dense, images, recurrent, convolutions_over_time, applied_twice, operations, states,
        attention, adapted, stateful, mobile_net,
    ],
)  # fmt: skip
def test_a_file_of_keras_2_computes_what_it_computed(
    build: Callable[[], Any], suffix: str, tmp_path: Path
) -> None:
    K.backend.clear_session()
    model = build()
    for variable in model.weights:
        if variable.dtype == "float32" and build is not adapted:
            values = random(*variable.shape)
            variable.assign(np.abs(values) + 0.5 if "variance" in variable.name else values)
    inputs = [random(2, *tensor.shape[1:]) for tensor in model.inputs]
    expected = model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=2, verbose=0)
    path = tmp_path / f"model{suffix}"
    model.compile(K.optimizers.legacy.SGD(0.1), "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls `.h5` legacy
        model.save(path)

    result = loaded(path)
    found = result.model(inputs if len(inputs) > 1 else inputs[0], training=False)
    assert result.report.params == model.count_params()
    expected = expected if isinstance(expected, list) else [expected]
    found = found if isinstance(found, list) else [found]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=1e-4, atol=1e-5)
