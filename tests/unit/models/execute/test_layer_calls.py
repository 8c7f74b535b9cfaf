"""The call of one layer is a function of arrays, masks included."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.models.execute.layer_calls import (
    domain_of,
    is_recurrent,
    layer_subject,
    traced_call,
)
from layerlens.models.inspect.call_graph import producing_call

pytestmark = pytest.mark.usefixtures("backend")


def subject_of(tensor: Any) -> Any:
    return layer_subject(producing_call(tensor), None, training=False)


def test_a_call_takes_arrays_by_the_id_of_their_tensor() -> None:
    given = keras.Input((5, 3))
    dense = keras.layers.Dense(2, name="dense")
    subject = subject_of(dense(given))
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    (output,) = subject.call({id(given): x})
    np.testing.assert_allclose(
        output, x @ dense.kernel.numpy() + dense.bias.numpy(), rtol=1e-5, atol=1e-6
    )
    assert subject.weights == {"dense/kernel", "dense/bias"}
    assert subject.stepped == ((True,), (True,))
    assert (subject.masks, subject.limit, subject.is_stateful) == ((), None, False)


def test_a_mask_is_an_input_of_its_own() -> None:
    given = keras.Input((4, 3))
    masked = keras.layers.Masking()(given)
    layer = keras.layers.SimpleRNN(2)
    subject = subject_of(layer(masked))
    ((mask, position),) = subject.masks
    assert position == 0
    x = np.ones((1, 4, 3), "float32")
    whole, half = (
        subject.call({id(masked): x, id(mask): np.asarray([steps])})[0]
        for steps in ([True] * 4, [True, True, False, False])
    )
    np.testing.assert_allclose(whole, layer(x), rtol=1e-5)
    np.testing.assert_allclose(half, layer(x[:, :2]), rtol=1e-5)


def test_training_reaches_the_layer() -> None:
    given = keras.Input((50,))
    node = producing_call(keras.layers.Dropout(0.5)(given))
    x = np.ones((1, 50), "float32")
    for training in (False, True):
        symbols, call = traced_call(node, training=training)
        assert [id(one) for one in symbols] == [id(given)]
        assert bool((np.asarray(call(x)[0]) == 0).any()) is training


def test_tokens_are_steps_and_have_a_limit() -> None:
    tokens = keras.Input((6,), dtype="int32")
    subject = subject_of(keras.layers.Embedding(9, 2)(tokens))
    assert subject.stepped == ((True,), (True,))
    assert subject.limit == 9
    domain = domain_of(tokens, subject, 4)
    assert (domain.shape, domain.low, domain.high) == ((6,), 0, 9)
    vectors = subject_of(keras.layers.Dense(2)(keras.Input((6,))))
    assert vectors.stepped == ((False,), (False,))


def test_recurrent_layers_are_found_inside_wrappers() -> None:
    assert is_recurrent(keras.layers.Bidirectional(keras.layers.GRU(2)))
    assert not is_recurrent(keras.layers.TimeDistributed(keras.layers.Dense(2)))
