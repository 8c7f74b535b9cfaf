"""How many input steps a model's layers look across, derived by hand beside each model."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.receptive_field import (
    ReceptiveField,
    call_span,
    receptive_field,
    whole_numbers_in,
)
from layerlens.scenario.spec import LayerSpec, ModelSpec
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")

STEPS = (None, 2)


def field_of(*layers: LayerSpec, shape: Any = STEPS, **more: Any) -> ReceptiveField:
    return receptive_field(built(chain("m", *layers), *shape, **more))


def built(spec: ModelSpec, *shape: Any, **more: Any) -> Built:
    made = build_model(spec, (input_of(*shape, **more),))
    assert isinstance(made, Built), made
    return made


def of_function(function: Any, *shape: Any) -> ReceptiveField:
    import keras

    given = keras.Input(shape)
    model = keras.Model(given, function(given))
    return receptive_field(built(ModelSpec("m", "object", given=model), *shape))


def conv(**arguments: Any) -> LayerSpec:
    return layer("Conv1D", filters=2, **{"kernel_size": 3, **arguments})


@pytest.mark.parametrize(
    ("layers", "span"),
    [
        ((layer("Dense", units=3), layer("LayerNormalization"), layer("ReLU")), 1),
        ((layer("LSTM", units=3, return_sequences=True), layer("GRU", units=2)), 1),
        ((conv(kernel_size=12, padding="causal"),), 12),
        ((conv(kernel_size=2, dilation_rate=800, padding="causal"),), 801),
        ((conv(), conv(), conv(dilation_rate=4)), 1 + 2 + 2 + 8),
        # Strides multiply what comes behind them; two outputs are one stride more apart.
        ((conv(strides=2), conv(dilation_rate=10)), 1 + (2 + 1) + 2 * 20),
        ((layer("MaxPooling1D", pool_size=4), conv()), 1 + (3 + 3) + 4 * 2),
        ((layer("SeparableConv1D", filters=2, kernel_size=9, dilation_rate=3),), 25),
        ((layer("DepthwiseConv1D", kernel_size=4),), 4),
        ((layer("Conv1DTranspose", filters=1, kernel_size=201, strides=2),), 1 + 100 + 1),
        ((layer("UpSampling1D", size=100), conv(kernel_size=201)), 1 + 2),
        ((layer("ZeroPadding1D", padding=[700, 0]),), 701),
        ((layer("Cropping1D", cropping=[3, 40]),), 44),
        ((layer("SpectralNormalization", layer=conv(kernel_size=9)),), 9),
        ((layer("AdaptiveAveragePooling1D", output_size=50),), 51),
        ((layer("GlobalMaxPooling1D"), layer("Dense", units=300)), 1),
    ],
)
def test_spans_of_chains(layers: tuple[LayerSpec, ...], span: int) -> None:
    assert field_of(*layers).spans == {1: span}


def test_axes_have_spans_of_their_own() -> None:
    image = layer("Conv2D", filters=1, kernel_size=[3, 2], dilation_rate=[300, 1])
    assert field_of(image, shape=(None, None, 3)).spans == {1: 601, 2: 2}
    assert field_of(image, shape=(700, None, 3)).spans == {2: 2}
    first = layer("Conv2D", filters=1, kernel_size=[3, 2], data_format="channels_first")
    assert field_of(first, shape=(3, None, None)).spans == {2: 3, 3: 2}
    frames = layer("TimeDistributed", layer=conv(kernel_size=5))
    assert field_of(frames, shape=(None, None, 1)).spans == {1: 1, 2: 5}


def test_an_axis_is_followed_where_it_goes() -> None:
    turned = layer("Permute", dims=[2, 1, 3])
    across = layer("Conv2D", filters=1, kernel_size=[1, 9])
    assert field_of(turned, across, shape=(None, 7, 1)).spans == {1: 9}
    looked_up = field_of(
        layer("Embedding", input_dim=9, output_dim=4), conv(), shape=(None,), dtype="int32"
    )
    assert looked_up.spans == {1: 3}


def test_a_fixed_axis_has_no_span() -> None:
    assert field_of(conv(dilation_rate=3), shape=(8, 2)).spans == {}


def test_slices_count_what_they_skip() -> None:
    chosen = chain("m", layer("Dense", units=3), select="[:, -700:]")
    assert receptive_field(built(chosen, *STEPS)).spans == {1: 701}
    assert of_function(lambda x: x[:, -90:], *STEPS).span == 91
    assert of_function(lambda x: x[:, 300], *STEPS).span == 301
    assert of_function(lambda x: x[..., ::7, :], *STEPS).span == 8


def test_operations_and_branches() -> None:
    import keras

    assert of_function(lambda x: keras.ops.roll(x, 90, axis=1), *STEPS).span == 91
    assert of_function(lambda x: keras.ops.max_pool(x, 40, 1, "same"), *STEPS).span == 40
    assert of_function(lambda x: keras.ops.max(x, axis=1, keepdims=True) + x, *STEPS).span == 1

    def residual(x: Any) -> Any:
        return keras.layers.Add()([x, keras.layers.Conv1D(2, 9, padding="same")(x)])

    assert of_function(residual, *STEPS).span == 9


def test_a_window_of_attention_counts() -> None:
    import keras

    def attended(x: Any) -> Any:
        return keras.layers.GroupQueryAttention(2, 1, 1, sliding_window=80)(x, x)

    assert of_function(attended, *STEPS).span == 81


def test_a_nested_model_is_looked_into() -> None:
    import keras

    def nested(x: Any) -> Any:
        inner = [keras.layers.Conv1D(3, 4), keras.layers.Conv1D(3, 4)]
        return keras.layers.AveragePooling1D(2)(keras.Sequential(inner)(x))

    assert of_function(nested, *STEPS).span == 1 + 3 + 3 + (1 + 1)


def test_layers_that_keras_does_not_define_are_unknown() -> None:
    import keras

    class Last(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = keras.layers.Conv1D(2, 5, padding="same")

        def call(self, x: Any) -> Any:
            return self.inner(x)

    found = of_function(Last(), *STEPS)
    assert found.unknown == ("last",)
    assert found.span == 5  # what it holds is looked at all the same


def test_the_span_of_one_call_is_counted_from_its_own_input() -> None:
    made = built(chain("m", conv(strides=4), conv(kernel_size=2, dilation_rate=30)), *STEPS)
    calls = [one._inbound_nodes[0] for one in made.model.layers if one.weights]
    assert [call_span(node) for node in calls] == [1 + 2 + 3, 31]


def test_whole_numbers_are_found_in_what_is_nested_but_not_without_end() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert list(whole_numbers_in({"a": [3, (4.5, 5)], "b": slice(-7, None), "c": True})) == [
        3,
        5,
        -7,
    ]
    assert set(whole_numbers_in(endless)) == {1}


def test_strides_are_listed_with_the_jump_before_them() -> None:
    pool = layer("AveragePooling1D", pool_size=3)
    same = layer("Conv1D", filters=1, kernel_size=5, padding="same")
    assert field_of(same).strides == frozenset()
    assert field_of(pool, same, layer("Conv1D", filters=1, kernel_size=1, strides=2)).strides == {
        (1, 3),
        (3, 2),
    }
    assert field_of(layer("UpSampling1D", size=4), pool).strides == {(0.25, 3)}
