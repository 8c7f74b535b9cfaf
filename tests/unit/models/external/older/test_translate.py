"""Files of Keras 1 and 2 keep the form and the meaning that they had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest

import layerlens
from layerlens.models.external.older.objects import HARD_SIGMOID
from layerlens.models.external.older.translate import Translation, is_older, translate
from layerlens.report.layers import ModelReport

pytestmark = pytest.mark.usefixtures("backend")


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, "trainable": True, **config}}


def chain(*layers: Any, version: str | None = "2.2.4", listed: bool = False) -> dict[str, Any]:
    config = list(layers) if listed else {"name": "chain", "layers": list(layers)}
    named = {} if version is None else {"keras_version": version, "backend": "tensorflow"}
    return {"class_name": "Sequential", "config": config, **named}


def summary_of(path: Path, description: Any) -> ModelReport:
    path.write_text(json.dumps(description))
    (scenario,) = layerlens.summary(path).scenarios
    assert not scenario.errors, scenario.errors
    return scenario.models[0]


def layers_of(translation: Translation) -> Any:
    return translation.config["config"]["layers"]


DENSE = layer("Dense", "d", batch_input_shape=[None, 4], dtype="float32", units=3)


@pytest.mark.parametrize(
    ("description", "shapes", "params"),
    [
        (chain(DENSE, layer("Dense", "o", units=2)), ((None, 4), (None, 2)), 23),
        (chain(DENSE, listed=True, version="2.1.6"), ((None, 4), (None, 3)), 15),
        (
            chain(layer("Embedding", "e", input_dim=10, output_dim=2, input_length=7)),
            ((None, 7), (None, 7, 2)),
            20,
        ),
        (
            chain(
                layer(
                    "TimeDistributed",
                    "t",
                    batch_input_shape=[None, 5, 4],
                    layer=layer("Dense", "d", units=3),
                )
            ),
            ((None, 5, 4), (None, 5, 3)),
            15,
        ),
        (
            chain(
                layer(
                    "Bidirectional",
                    "b",
                    layer=layer("SimpleRNN", "r", units=2, batch_input_shape=[None, 5, 3]),
                )
            ),
            ((None, 5, 3), (None, 4)),
            24,
        ),
        (
            chain({"class_name": "Sequential", "config": [DENSE]}, layer("Dense", "o", units=2)),
            ((None, 4), (None, 2)),
            23,
        ),
        (
            chain(layer("LSTM", "l", batch_input_shape=[4, 5, 3], units=2, stateful=True)),
            ((None, 5, 3), (None, 2)),
            48,
        ),
    ],
    ids=["chain", "list", "embedding", "wrapper", "bidirectional", "nested list", "stateful"],
)
def test_the_shape_of_the_first_layer_is_the_models(
    tmp_path: Path, description: Any, shapes: Any, params: int
) -> None:
    report = summary_of(tmp_path / "model.json", description)
    assert (report.input_shape, report.output_shape, report.params) == (*shapes, params)


@pytest.mark.parametrize(
    ("version", "config", "older"),
    [
        ("2.2.4-tf", {}, True),
        ("1.2.2", {}, True),
        ("2.15.0", {"module": "keras"}, True),
        ("3.0.0", {}, False),
        (None, {}, True),
        (None, {"module": "keras"}, False),
    ],
)
def test_who_wrote_a_file(version: str | None, config: Any, older: bool) -> None:
    assert is_older(config, version) is older


NAMED = {"class_name": "function", "config": "hard_sigmoid", "module": "builtins"}


@pytest.mark.parametrize(
    ("one", "version", "place"),
    [
        (layer("Dense", "x", activation="hard_sigmoid"), "2.2.4", "activation"),
        (layer("Activation", "x", activation=NAMED), "2.13.1", "activation"),
        (layer("GRU", "x", recurrent_activation="hard_sigmoid"), "2.9.0", "recurrent_activation"),
        (layer("ConvLSTM2D", "x", filters=2), "2.15.0", "recurrent_activation"),
        (layer("LSTM", "x", units=2), "2.2.4", "recurrent_activation"),
    ],
    ids=["dense", "function", "gru", "conv_lstm's default", "lstm's default"],
)
def test_hard_sigmoid_is_the_function_it_was(one: Any, version: str, place: str) -> None:
    found = translate(chain(one), version)
    (translated,) = layers_of(found)
    assert translated["config"][place]["registered_name"] == HARD_SIGMOID
    assert list(found.functions) == [HARD_SIGMOID]
    assert (
        f"saved by Keras {version}, whose `hard_sigmoid` is not that of Keras 3" in found.notes[0]
    )
    assert "`x`" in found.notes[0]


@pytest.mark.parametrize(
    ("one", "version"),
    [
        (layer("LSTM", "x", units=2), "2.3.1"),
        (layer("LSTM", "x", units=2), "2.2.4-tf"),
        (layer("Dense", "hard_sigmoid", activation="sigmoid"), "2.2.4"),
    ],
    ids=["after the default changed", "of tf.keras", "a name"],
)
def test_what_did_not_change_stays(one: Any, version: str) -> None:
    found = translate(chain(one), version)
    (translated,) = layers_of(found)
    assert translated["config"] == one["config"]
    assert (found.functions, found.notes) == ({}, ())


def test_a_gru_without_reset_after_resets_before() -> None:
    found = translate(chain(layer("GRU", "g", units=2, recurrent_activation="sigmoid")), "2.1.0")
    assert layers_of(found)[0]["config"]["reset_after"] is False
    assert found.notes == (
        "`reset_after: false` was the default of Keras 2.1.0, and was added to `g`",
    )


def test_a_description_of_keras_3_stays_as_it_is() -> None:
    inner = keras.layers.TimeDistributed(keras.layers.Dense(2, activation="hard_sigmoid"))
    model = keras.Sequential([keras.Input((3, 2)), inner, keras.layers.GRU(2)])
    described = json.loads(model.to_json())
    for version in (None, "3.5.0"):
        assert translate(described, version) == Translation(described)


def test_a_saved_model_computes_what_keras_2_computed(tmp_path: Path) -> None:
    """Weights and all, in both precisions; held against the formula, and against Keras 3's."""
    layers = keras.layers

    def formula(x: Any) -> Any:
        return keras.ops.clip(x / 5 + 0.5, 0.0, 1.0)

    def model(activation: Any) -> Any:
        lstm = layers.LSTM(2, recurrent_activation=activation)
        return keras.Sequential([keras.Input((3, 2)), lstm, layers.Dense(2, activation=activation)])

    path = tmp_path / "model.h5"
    model("hard_sigmoid").save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "2.2.4-tf"
    report = layerlens.compare(
        {"saved": path, "formula": model(formula), "keras_3": model("hard_sigmoid")}
    )
    right, wrong = report.scenarios[0].pairs
    assert right.verdict == "equivalent"
    assert right.strength == "certified"
    assert wrong.verdict == "different"
    for pair in (right, wrong):
        assert "saved by Keras 2.2.4-tf, whose `hard_sigmoid`" in pair.explanation
    assert report.scenarios[0].models[0].notes


def test_what_cannot_be_restored_is_no_pass(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    up = {"size": [2, 2], "interpolation": "bilinear"}
    path.write_text(
        json.dumps(chain(layer("UpSampling2D", "u", batch_input_shape=[None, 3, 3, 1], **up)))
    )
    up_sampling = keras.layers.UpSampling2D(2, interpolation="bilinear")
    pair = (
        layerlens.compare(path, keras.Sequential([keras.Input((3, 3, 1)), up_sampling]))
        .scenarios[0]
        .pairs[0]
    )
    assert (pair.verdict, pair.strength) == ("inconclusive", None)
    assert "`u` of Keras 2.2.4 interpolates bilinearly" in pair.explanation


def test_code_outside_a_file_is_named(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("older_keras_tests")
    class Doubled(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * 2

    @keras.saving.register_keras_serializable("older_keras_tests")
    def bent(x: Any) -> Any:
        return keras.ops.abs(x)

    def notes(*own: Any) -> tuple[str, ...]:
        path = tmp_path / "golden.keras"
        keras.Sequential([keras.Input((2,)), *own]).save(path)
        return layerlens.summary(path).scenarios[0].models[0].notes

    (note,) = notes(Doubled(), keras.layers.Dense(2, activation=bent))
    assert note.startswith("the code of `Doubled`, `bent` is not in golden.keras")
    assert notes(keras.layers.Dense(2, activation="relu")) == ()
