"""Only equal computations get equal numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from layerlens.models.build.session import in_fresh_session
from layerlens.proof.expressions import Numbering, Value, express

pytestmark = pytest.mark.usefixtures("backend")

Wiring = Callable[[Any], Any]


def numbered(*wirings: Wiring, shape: tuple[int, ...] = (6, 3)) -> list[Value]:
    """Express models of one input; their weights are paired by position."""
    import keras

    numbering = Numbering()
    values: list[Value] = []
    for wiring in wirings:
        given = keras.Input(shape)
        model = keras.Model(given, wiring(given))
        names = {id(variable): position for position, variable in enumerate(model.weights)}
        values += express(model, numbering, names)
    return values


def same(*wirings: Wiring, **more: Any) -> bool:
    return len({value.number for value in numbered(*wirings, **more)}) == 1


def test_what_has_no_effect_in_inference_is_not_distinguished() -> None:
    from keras import layers

    assert same(
        lambda x: layers.Dense(4, activation="relu")(x),
        lambda x: layers.ReLU()(layers.Dense(4, kernel_initializer="zeros")(x)),
        lambda x: layers.Activation("relu")(layers.Dropout(0.5)(layers.Dense(4, name="d")(x))),
        lambda x: layers.Dense(4, activation="relu", kernel_regularizer="l2", trainable=False)(x),
    )
    assert same(
        lambda x: layers.LSTM(4, unit_forget_bias=False, dropout=0.3)(x),
        lambda x: layers.LSTM(4, seed=3)(x),
    )


def test_a_relu_with_a_bound_of_6_is_the_activation_of_that_name() -> None:
    from keras import layers

    def relu6(x: Any) -> Any:
        return layers.Activation("relu6")(x)

    assert same(relu6, lambda x: layers.ReLU(6)(x), lambda x: layers.ReLU(max_value=6.0)(x))
    for others in ({"max_value": 6.5}, {"max_value": 6.0, "threshold": 0.1}, {}):
        assert not same(relu6, lambda x, own=others: layers.ReLU(**own)(x))
    assert not same(relu6, lambda x: layers.ReLU(max_value=6.0, negative_slope=0.1)(x))


def test_attributes_that_no_configuration_tells_are_distinguished() -> None:
    from keras import layers

    def attention(factor: float) -> Wiring:
        def wiring(x: Any) -> Any:
            layer = layers.MultiHeadAttention(2, 2)
            attended = layer(x, x)
            layer._inverse_sqrt_key_dim *= factor
            return attended

        return wiring

    assert same(attention(1.0), attention(1.0))
    assert not same(attention(1.0), attention(2.0))


def test_an_activation_of_integers_has_the_dtype_that_keras_announces() -> None:
    import keras
    from keras import layers

    given = keras.Input((3,), dtype="int32")
    outputs = [layers.Activation(name)(given) for name in ("tanh", "relu")]
    values = express(keras.Model(given, outputs), Numbering(), {})
    assert [value.dtype for value in values] == [tensor.dtype for tensor in outputs]
    assert values[0].dtype == "float32"


def test_nested_models_are_what_they_hold() -> None:
    import keras
    from keras import layers

    def nested(x: Any) -> Any:
        return keras.Sequential([layers.LSTM(4), layers.Dense(2, activation="tanh")])(x)

    assert same(nested, lambda x: layers.Dense(2, activation="tanh")(layers.LSTM(4)(x)))


def test_configuration_weights_and_arguments_tell_layers_apart() -> None:
    from keras import layers

    def shared(x: Any) -> Any:
        dense = layers.Dense(3)
        return dense(dense(x))

    assert not same(lambda x: layers.GRU(4)(x), lambda x: layers.GRU(4, reset_after=False)(x))
    assert not same(shared, lambda x: layers.Dense(3)(layers.Dense(3)(x)))
    assert not same(
        lambda x: layers.Attention()([x, x]),
        lambda x: layers.Attention()([x, x], use_causal_mask=True),
    )
    assert not same(
        lambda x: layers.Subtract()([x, layers.Dense(3)(x)]),
        lambda x: layers.Subtract()([layers.Dense(3)(x), x]),
    )


def test_an_attribute_changed_after_construction_tells_layers_apart() -> None:
    from keras import layers

    def changed(x: Any) -> Any:
        layer = layers.MaxPooling1D(2)
        layer.padding = "same"
        return layer(x)

    assert same(*[lambda x: layers.MaxPooling1D(2)(x)] * 2)
    assert not same(changed, lambda x: layers.MaxPooling1D(2)(x))


def _called_relu(x: Any) -> Any:
    return x * x


_called_relu.__name__ = "relu"


@pytest.mark.parametrize(
    "wiring",
    [
        lambda layers, x: layers.Dense(4, activation=_called_relu)(x),
        lambda layers, x: layers.GRU(4, activation=_called_relu)(x),
        lambda layers, x: layers.Lambda(lambda given: given * 2)(x),
        lambda layers, x: type("Dense", (layers.Dense,), {})(4)(x),
        lambda layers, x: layers.Dropout(0.5)(x, training=True),
        lambda layers, x: layers.Dense(4, activation=partial(_called_relu))(x),
        lambda layers, x: x + np.ones(3, "float32"),
        lambda layers, x: layers.LSTM(4)(x, mask=x[:, :, 0] > 0),
    ],
    ids=[
        "activation",
        "cell activation",
        "lambda",
        "subclass",
        "training",
        "object",
        "array",
        "mask",
    ],
)
def test_what_is_unknown_from_outside_equals_nothing_else(wiring: Any) -> None:
    from keras import layers

    assert not same(*[lambda x: wiring(layers, x)] * 2)


def test_operations_are_their_arguments() -> None:
    from keras import ops

    assert same(*[lambda x: ops.relu(x[:, ::2] + 3.0) / 6.0] * 2)
    assert same(*[lambda x: ops.mean(x, axis=1, keepdims=True)] * 2)
    for wiring in (
        lambda x: ops.relu(x[:, ::2] + 3.5) / 6.0,
        lambda x: ops.relu(x[:, 1::2] + 3.0) / 6.0,
        lambda x: 6.0 / ops.relu(x[:, ::2] + 3.0),
    ):
        assert not same(lambda x: ops.relu(x[:, ::2] + 3.0) / 6.0, wiring)
    assert not same(
        lambda x: ops.mean(x, axis=1), lambda x: ops.mean(x, axis=2)[:, :3], shape=(3, 3)
    )


def test_a_slice_up_to_a_computed_number_is_unknown() -> None:
    import keras
    from keras import ops

    def sliced(function: Any) -> Any:
        given = keras.Input((None, 3))
        return keras.Model(given, given[:, : ops.cast(function(given), "int32")])

    # Two models that are built alike give their tensors the same names.
    models = [in_fresh_session(partial(sliced, function), 0) for function in (ops.max, ops.min)]
    numbering = Numbering()
    ours, theirs = (express(model, numbering, {}) for model in models)
    assert ours[0].number != theirs[0].number


def test_a_normalization_is_what_it_has_adapted_to() -> None:
    from keras import layers

    def adapted(mean: float) -> Any:
        def apply(x: Any) -> Any:
            layer = layers.Normalization()
            layer.adapt(np.array([[0.0, 1.0, 2.0], [mean, 3.0, 5.0]]))
            return layer(x)

        return apply

    assert same(adapted(1.0), adapted(1.0))
    assert not same(adapted(1.0), adapted(2.0))


def test_layers_of_a_network_of_keras_are_known() -> None:
    from keras.src.applications.convnext import LayerScale

    assert same(*[lambda x: LayerScale(1e-6, 3)(x)] * 2)


def test_inputs_of_other_shapes_are_others() -> None:
    import keras
    from keras import layers

    numbering = Numbering()
    values: list[Value] = []
    for shape in ((6,), (2, 3)):
        given = keras.Input(shape)
        model = keras.Model(given, layers.Flatten()(layers.Softmax()(given)))
        values += express(model, numbering, {})
    assert values[0].number != values[1].number


def test_numbers_are_found_in_time_that_grows_with_the_layers() -> None:
    from keras import layers

    def residual(x: Any) -> Any:
        for _ in range(60):  # the paths to the input double with each: 2^60 of them
            x = layers.Add()([x, layers.Dense(3, activation="relu")(x)])
        return x

    assert same(residual, residual)


def test_masks_are_distinguished_from_values() -> None:
    from keras import layers

    plain, masked, other = numbered(
        lambda x: layers.Dense(4)(x),
        lambda x: layers.Dense(4)(layers.Masking()(x)),
        lambda x: layers.Dense(4)(layers.Masking(mask_value=1.0)(x)),
    )
    assert plain.number == masked.number != other.number
    assert plain.mask is None
    assert masked.mask is not None
    assert not same(lambda x: layers.LSTM(4)(x), lambda x: layers.LSTM(4)(layers.Masking()(x)))


@pytest.mark.filterwarnings("ignore:Layer 'embedding")  # that a mask ends there is what is tested
def test_a_mask_made_on_top_of_another_is_distinguished() -> None:
    from keras import layers

    def embedded(mask_zero: bool) -> Wiring:
        def wiring(x: Any) -> Any:
            embedding = layers.Embedding(5, 2, mask_zero=mask_zero)
            return layers.LSTM(2)(embedding(layers.Masking()(x)))

        return wiring

    assert same(embedded(True), embedded(True), shape=(6,))
    assert not same(embedded(True), embedded(False), shape=(6,))


def test_masks_inside_a_layer_are_distinguished() -> None:
    import keras
    from keras import layers

    def nested(mask_zero: bool) -> Wiring:
        def wiring(x: Any) -> Any:
            inner = [layers.Embedding(5, 2, mask_zero=mask_zero), layers.LSTM(2)]
            return layers.TimeDistributed(keras.Sequential(inner))(x)

        return wiring

    assert same(nested(True), nested(True))
    assert not same(nested(True), nested(False))
