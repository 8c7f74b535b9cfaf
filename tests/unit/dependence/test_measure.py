from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerlens.dependence.measure import Dependence, ModelDependence, measure_dependence
from layerlens.dependence.rows import with_mixes
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec
from layerlens.vocabulary import Mixes
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")

DENSE = layer("Dense", units=3)
Layers = tuple[LayerSpec, ...]


def built(*layers: LayerSpec, inputs: InputSpec, precision: Any = "float64") -> Built:
    made = build_model(chain("model", *layers), (inputs,), precision=precision)
    assert isinstance(made, Built), made
    return made


def measured(*layers: LayerSpec, shape: Any = (8, 4), dtype: str = "float32") -> ModelDependence:
    return measure_dependence(built(*layers, inputs=input_of(*shape, dtype=dtype)))


def of_function(function: Callable[[Any], Any], *shape: int, **how: Any) -> ModelDependence:
    """Measure what a function makes of a symbolic input."""
    import keras

    given = keras.Input(shape)
    model = keras.Model(given, function(given))
    made = build_model(
        ModelSpec("model", "object", given=model), (input_of(*shape),), precision="float64"
    )
    assert isinstance(made, Built), made
    return measure_dependence(made, **how)


def kind(one: Dependence) -> Mixes | None:
    assert one.reason is None
    return one.mixing.kind if one.mixing is not None else None


def conv(**arguments: Any) -> LayerSpec:
    return layer("Conv1D", filters=2, **{"kernel_size": 3, **arguments})


def rnn(name: str = "GRU", **arguments: Any) -> LayerSpec:
    return layer(name, units=3, **{"return_sequences": True, **arguments})


def nested(*layers: LayerSpec) -> LayerSpec:
    return LayerSpec("Sequential", model=ModelSpec("sequential", "layers", layers=layers))


BOTH_WAYS = layer("Bidirectional", layer=rnn("LSTM"))

#: A layer and its kind and window; and one that looks like it and is not.
KNOWN: dict[str, tuple[tuple[LayerSpec, str, Any], tuple[LayerSpec, str, Any]]] = {
    "dense": ((DENSE, "none", None), (conv(), "window", (3, 1))),
    "time_distributed": (
        (layer("TimeDistributed", layer=DENSE), "none", None),
        (layer("RNN", cell=layer("GRUCell", units=3), return_sequences=True), "causal", None),
    ),
    "gru": ((rnn(), "causal", None), (rnn(return_sequences=False), "reduces", None)),
    "go_backwards": ((rnn(go_backwards=True), "anti_causal", None), (rnn(), "causal", None)),
    "bidirectional": ((BOTH_WAYS, "all", None), (rnn("LSTM"), "causal", None)),
    "same": ((conv(padding="same"), "window", (3, 1)), (conv(kernel_size=1), "none", None)),
    "causal": (
        (conv(padding="causal"), "causal", (3, 1)),
        (conv(padding="causal", kernel_size=1), "none", None),
    ),
    "dilated": (
        (conv(padding="same", dilation_rate=2), "window", (5, 1)),
        (conv(padding="causal", dilation_rate=2), "causal", (5, 1)),
    ),
    "strided": ((conv(strides=2), "window", (3, 2)), (conv(strides=1), "window", (3, 1))),
    "pooling": (
        (layer("MaxPooling1D", pool_size=4), "window", (4, 4)),
        (layer("AveragePooling1D", pool_size=2, strides=1), "window", (2, 1)),
    ),
    "layer_normalization": (
        (layer("LayerNormalization"), "none", None),
        (layer("LayerNormalization", axis=[1, 2]), "all", None),
    ),
    "softmax": ((layer("Softmax", axis=1), "all", None), (layer("Softmax"), "none", None)),
    "permute": (
        (layer("Permute", dims=[2, 1]), "all", None),
        (layer("Permute", dims=[1, 2]), "none", None),
    ),
    "global_pooling": (
        (layer("GlobalAveragePooling1D"), "reduces", None),
        (layer("UpSampling1D", size=2), "none", None),
    ),
    "group_normalization": (
        (layer("GroupNormalization", groups=1), "all", None),
        (layer("BatchNormalization"), "none", None),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_layers(name: str) -> None:
    for subject, expected, window in KNOWN[name]:
        found = measured(subject)
        for one in (found.whole, *found.layers):
            assert kind(one) == expected, subject
            assert one.mixing is not None
            assert one.mixing.window == window


def test_maps_are_whole_and_exact() -> None:
    (gru,) = measured(rnn()).layers
    assert np.array_equal(gru.maps[0].seen, np.tril(np.ones((8, 8), dtype=bool)))
    (causal,) = measured(conv(padding="causal")).layers
    assert np.array_equal(
        causal.maps[0].seen, np.tril(np.ones((8, 8), dtype=bool)) & ~np.tri(8, k=-3, dtype=bool)
    )
    assert causal.maps[0].is_whole
    (last,) = of_function(lambda x: x[:, -2], 8, 4).layers
    assert last.maps[0].seen.tolist() == [[step == 6 for step in range(8)]]


def test_a_whole_model_is_not_what_its_layers_are() -> None:
    found = measured(layer("Flatten"), layer("Dense", units=6), layer("RepeatVector", n=5), DENSE)
    assert [kind(one) for one in found.layers] == ["reduces", None, "expands", "none"]
    assert kind(found.whole) == "all"
    alone = measured(layer("Dense", units=6), DENSE, shape=(4,))
    assert [kind(one) for one in (alone.whole, *alone.layers)] == [None, None, None]


def test_tokens_are_steps_and_features_are_not() -> None:
    embedding = layer("Embedding", input_dim=9, output_dim=3, mask_zero=True)
    found = measured(embedding, conv(), shape=(8,), dtype="int32")
    assert [kind(one) for one in (found.whole, *found.layers)] == ["window", "none", "window"]
    assert kind(measured(layer("RepeatVector", n=3), shape=(8,)).whole) == "expands"
    assert kind(measured(embedding, shape=(8,)).whole) == "none"  # tokens in a floating input


def attention(causal: bool, *, masked: bool = False) -> Callable[[Any], Any]:
    import keras

    def apply(given: Any) -> Any:
        steps = keras.layers.Masking()(given) if masked else given
        return keras.layers.Attention()([steps, steps], use_causal_mask=causal)

    return apply


@pytest.mark.parametrize("masked", [False, True])
def test_attention_with_and_without_a_causal_mask(masked: bool) -> None:
    causal, free = (of_function(attention(one, masked=masked), 6, 3) for one in (True, False))
    assert [kind(one) for one in (causal.whole, causal.layers[-1])] == ["causal", "causal"]
    assert [kind(one) for one in (free.whole, free.layers[-1])] == ["all", "all"]


def test_inputs_with_steps_count_together_and_a_state_does_not() -> None:
    import keras

    layers = keras.layers
    found = of_function(lambda x: layers.Attention()([layers.Dense(3)(x), x]), 6, 3)
    assert kind(found.layers[-1]) == "all"  # the query alone would say none
    state = lambda x: layers.GRU(2, return_sequences=True)(x, initial_state=x[:, 0, :2])  # noqa: E731
    found = of_function(state, 6, 3)
    assert kind(found.layers[-1]) == "causal"


def test_a_mask_is_counted() -> None:
    import keras

    class Share(keras.layers.Layer):
        """Divides by how many steps are valid: only the mask tells one step of the others."""

        supports_masking = True

        def call(self, inputs: Any, mask: Any = None) -> Any:
            if mask is None:
                return inputs
            valid = keras.ops.sum(keras.ops.cast(mask, inputs.dtype), axis=1)
            return inputs / valid[:, None, None]

    masked = of_function(lambda x: Share()(keras.layers.Masking()(x)), 6, 3)
    assert [kind(one) for one in (masked.whole, *masked.layers)] == ["all", "none", "all"]
    assert kind(of_function(lambda x: Share()(x), 6, 3).whole) == "none"
    padded = measured(
        layer("Masking", mask_value=-1.0), rnn("LSTM"), layer("TimeDistributed", layer=DENSE)
    )
    assert [kind(one) for one in padded.layers] == ["none", "causal", "none"]


def test_sums_and_shifts_of_the_users_own() -> None:
    import keras

    ops = keras.ops
    assert kind(of_function(lambda x: ops.cumsum(x, axis=1), 6, 3).whole) == "causal"
    assert kind(of_function(lambda x: x + ops.mean(x, axis=1, keepdims=True), 6, 3).whole) == "all"
    assert kind(of_function(lambda x: x + ops.mean(x, axis=2, keepdims=True), 6, 3).whole) == "none"
    assert kind(of_function(lambda x: ops.roll(x, 1, axis=1), 6, 3).whole) == "none"


def test_neither_cancellation_nor_dead_units_nor_nan_hide_a_dependence() -> None:
    import keras

    ops = keras.ops
    narrow = layer("Conv1D", filters=1, kernel_size=3, activation="relu")
    assert kind(measured(narrow, shape=(8, 1)).whole) == "window"
    greatest = measured(layer("MaxPooling1D", pool_size=6, strides=1), shape=(9, 1)).whole
    assert greatest.mixing is not None
    assert greatest.mixing.window == (6, 1)
    logarithm = of_function(lambda x: ops.log(x + ops.roll(x, 1, axis=1)), 6, 1).whole
    assert logarithm.maps[0].seen.sum() == 12
    assert (
        kind(of_function(lambda x: ops.cumsum(x, axis=1) - ops.cumsum(x, axis=1), 6, 1).whole)
        == "none"
    )


def test_coupled_random_and_stateful_layers_are_reported() -> None:
    normal = built(layer("BatchNormalization"), inputs=input_of(5, 3))
    (still,) = measure_dependence(normal).layers
    (learning,) = measure_dependence(normal, training=True).layers
    assert not still.is_batch_coupled
    assert kind(still) == "none"
    assert learning.is_batch_coupled
    assert kind(learning) == "all"
    dropout = built(layer("Dropout", rate=0.5), inputs=input_of(5, 3))
    (dropped,) = measure_dependence(dropout, training=True).layers
    assert dropped.is_random
    assert kind(dropped) == "none"
    (kept,) = measured(rnn(stateful=True)).layers
    (fresh,) = measured(rnn()).layers
    assert kept.is_stateful
    assert not fresh.is_stateful
    assert kind(kept) == "causal"


def test_an_output_that_is_never_the_same_is_not_given_a_kind() -> None:
    import keras

    class Unrepeatable(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs + keras.random.normal(keras.ops.shape(inputs))

    found = of_function(lambda x: Unrepeatable()(x), 5, 2).whole
    assert found.mixing is None
    assert found.reason == "its output changes at every call with the same input"
    assert found.rows == (), "and no picture"


def test_height_and_width_are_distinguished() -> None:
    tall = layer("Conv2D", filters=2, kernel_size=[3, 1], padding="same")
    found = measure_dependence(built(tall, inputs=input_of(6, 5, 3)), axes=(2, -1)).whole
    assert kind(found) == "window"
    assert found.along[2].mixing.kind == "none"
    assert found.along[3].mixing.kind == "all"


#: Layers that no row above has: an image or a video, and what is seen along each axis.
ALONG: list[tuple[LayerSpec, tuple[int, ...], dict[int, tuple[str, Any]]]] = [
    (
        layer("Conv2D", filters=2, kernel_size=[1, 5], strides=[1, 2]),
        (5, 8, 3),
        {1: ("none", None), 2: ("window", (5, 2))},
    ),
    (
        layer("AveragePooling2D", pool_size=[3, 2], strides=1, padding="same"),
        (6, 6, 2),
        {1: ("window", (3, 1)), 2: ("anti_causal", (2, 1))},
    ),
    (
        layer("ConvLSTM2D", filters=2, kernel_size=[3, 1], padding="same", return_sequences=True),
        (4, 6, 6, 2),
        # The state takes what a window has seen on to the next one: four steps, a row each way.
        {1: ("causal", None), 2: ("window", (9, 1)), 3: ("none", None)},
    ),
    (
        layer("TimeDistributed", layer=layer("Conv1D", filters=2, kernel_size=3)),
        (4, 7, 2),
        {1: ("none", None), 2: ("window", (3, 1))},
    ),
    (layer("ZeroPadding2D", padding=1), (4, 5, 2), {1: ("none", (1, 1)), 2: ("none", (1, 1))}),
    (layer("GlobalMaxPooling2D"), (4, 5, 2), {1: ("reduces", None), 2: ("reduces", None)}),
]


@pytest.mark.parametrize(
    ("subject", "shape", "wanted"), ALONG, ids=lambda p: getattr(p, "type", "")
)
def test_every_spatial_axis_is_measured_by_default(
    subject: LayerSpec, shape: tuple[int, ...], wanted: dict[int, tuple[str, Any]]
) -> None:
    (found,) = measured(subject, shape=shape).layers
    maps = {1: found.mixing, **{axis: one.mixing for axis, one in found.along.items()}}
    assert {axis: (one.kind, one.window) for axis, one in maps.items() if one} == wanted


@pytest.mark.parametrize(
    ("subject", "shape", "wanted"),
    [
        (layer("Dense", units=3), (6,), "all"),
        (layer("ReLU"), (6,), "none"),
        (layer("Softmax"), (6,), "all"),
        (layer("BatchNormalization"), (5, 6), "none"),
        (layer("LayerNormalization"), (5, 6), "all"),
        (layer("DepthwiseConv1D", kernel_size=2), (5, 6), "none"),
        (layer("Conv1D", filters=4, kernel_size=2), (5, 6), "all"),
    ],
    ids=lambda part: getattr(part, "type", ""),
)
def test_features_are_measured_on_request(
    subject: LayerSpec, shape: tuple[int, ...], wanted: str
) -> None:
    model = built(subject, inputs=input_of(*shape))
    (found,) = measure_dependence(model, features=True).layers
    assert found.along[-1].mixing.kind == wanted
    (without,) = measure_dependence(model).layers
    assert -1 not in without.along


def test_what_else_an_output_depends_on_is_in_the_report() -> None:
    def beside(*layers: LayerSpec, training: bool = False) -> Any:
        model = built(*layers, inputs=input_of(5, 3))
        report = with_mixes(model.report, measure_dependence(model, training=training))
        return report.layers[0].depends_on

    assert beside(DENSE) == ()
    assert beside(layer("LSTM", units=2, stateful=True, return_sequences=True)) == ("state",)
    assert beside(layer("BatchNormalization")) == ()
    assert beside(layer("BatchNormalization"), training=True) == ("batch",)
    assert "chance" in beside(layer("Dropout", rate=0.5), training=True)


def test_long_sequences_are_sampled_and_say_so() -> None:
    (long,) = measured(conv(padding="same"), shape=(3000, 8)).layers
    assert not long.maps[0].is_whole
    assert len(long.maps[0].steps) < 3000
    assert long.mixing is not None
    assert (long.mixing.kind, long.mixing.window) == ("window", (3, 1))
    (backwards,) = measured(rnn(go_backwards=True), shape=(500, 2)).layers
    assert kind(backwards) == "anti_causal"


def test_an_open_length_is_given_one() -> None:
    found = measured(conv(padding="same"), layer("Dense", units=2), shape=(None, 4))
    assert kind(found.whole) == "window"
    assert found.whole.maps[0].inputs == 24


def test_weights_are_restored_and_fixed_ones_not_changed() -> None:
    import keras

    class Tril(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.mask = self.add_weight(
                shape=(5, 5), initializer=lambda *_, **__: np.tri(5), trainable=False
            )

        def call(self, inputs: Any) -> Any:
            return keras.ops.matmul(self.mask, inputs)

    assert kind(of_function(lambda x: Tril()(x), 5, 2).whole) == "causal"
    model = built(DENSE, inputs=input_of(4, 2))
    before = KerasRunner(model).values()
    measure_dependence(model)
    assert all(map(np.array_equal, before, KerasRunner(model).values()))


def test_a_report_gets_what_was_measured_and_wrappers_keep_null() -> None:
    model = built(rnn(), layer("TimeDistributed", layer=DENSE), conv(), inputs=input_of(8, 4))
    report = with_mixes(model.report, measure_dependence(model))
    assert [row.mixes for row in report.layers] == ["causal", "none", "window"]
    assert [row.window for row in report.layers] == [None, None, (3, 1)]
    assert report.mixes == "all"
    assert [held.mixes for held in report.layers[1].holds] == [None]
    assert model.report.mixes is None


def test_layers_inside_nested_models_are_measured_where_they_are() -> None:
    inner = nested(DENSE, conv(padding="causal"))
    model = built(
        nested(rnn(go_backwards=True), inner), layer("GRU", units=2), inputs=input_of(8, 4)
    )
    found = measure_dependence(model)
    outer, gru = found.layers
    assert [kind(one) for one in outer.inside] == ["anti_causal", "causal"]
    assert [kind(one) for one in outer.inside[1].inside] == ["none", "causal"]
    assert gru.inside == ()
    report = with_mixes(model.report, found)
    first = report.layers[0].holds
    assert [row.mixes for row in first] == ["anti_causal", "causal"]
    assert [(row.mixes, row.window) for row in first[1].holds] == [
        ("none", None),
        ("causal", (3, 1)),
    ]
    assert [row.mixes for row in report.layers[1].holds] == [None]  # its cell


def test_a_model_that_is_applied_twice_has_its_layers_once() -> None:
    import keras

    shared = keras.Sequential([keras.Input((6, 2)), keras.layers.Conv1D(2, 3, padding="same")])
    found = of_function(lambda x: shared(shared(x)), 6, 2)
    assert [kind(one) for one in found.layers] == ["window", "window"]
    assert [[kind(inner) for inner in one.inside] for one in found.layers] == [["window"], []]


def test_summary_and_compare_measure_it_on_request() -> None:
    import layerlens

    models = {
        "one": {"layers": [{"GRU": {"units": 2, "return_sequences": True}}]},
        "other": {"layers": [{"Conv1D": {"filters": 2, "kernel_size": 3, "padding": "same"}}]},
    }
    scenario = {"input": {"shape": [6, 2]}, "models": models}
    measured = ["causal", "window"]
    for call, deps, whole, layers in (
        (layerlens.summary, True, measured, measured),
        (layerlens.summary, False, [None, None], [None, None]),
        (layerlens.compare, True, measured, measured),
        (layerlens.compare, False, measured, [None, None]),  # since the two differ
    ):
        (report,) = call(scenario, deps=deps).scenarios
        assert [model.mixes for model in report.models] == whole
        assert [model.layers[0].mixes for model in report.models] == layers


# --- what pictures are drawn from -----------------------------------------------------------------


def test_maps_are_kept_with_where_their_steps_come_from() -> None:
    found = measured(rnn(), layer("GlobalMaxPooling1D"), DENSE, layer("RepeatVector", n=3))
    gru, pooled, dense, repeated = (one.rows for one in found.layers)
    assert gru[0].seen == tuple("1" * (n + 1) + "0" * (7 - n) for n in range(8))
    assert (gru[0].source_layer, gru[0].inputs, gru[0].outputs) == (None, 8, 8)
    assert (pooled[0].source_layer, pooled[0].outputs, pooled[0].seen) == (0, None, ("1" * 8,))
    assert dense == (), "from one vector to another there are no steps"
    assert (repeated[0].source_layer, repeated[0].inputs, repeated[0].outputs) == (2, None, 3)
    (whole,) = found.whole.rows
    assert (whole.source_layer, whole.outputs, whole.seen) == (None, 3, ("1" * 8,) * 3)


def test_each_input_of_a_merge_has_a_map_of_its_own() -> None:
    def merged(given: Any) -> Any:
        import keras

        backwards = keras.layers.GRU(4, return_sequences=True, go_backwards=True)(given)
        return keras.layers.Add()([given, backwards])

    backwards, add = of_function(merged, 6, 4).layers
    assert {row.source_layer: row.seen for row in add.rows} == dict.fromkeys(
        (None, 0), tuple("0" * n + "1" + "0" * (5 - n) for n in range(6))
    )
    assert [row.seen[0] for row in backwards.rows] == ["000001"]


def test_an_open_length_is_carried_on_from_layer_to_layer() -> None:
    (first,), (second,) = (one.rows for one in measured(conv(), conv(), shape=(None, 4)).layers)
    assert first.inputs is not None
    assert first.outputs == first.inputs - 2 == second.inputs
    assert second.outputs == first.outputs - 2
