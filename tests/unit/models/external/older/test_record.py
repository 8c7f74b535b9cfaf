"""What Keras 3 does not express, and what no Keras wrote, is refused once, with its place."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest
from keras.src.applications.convnext import LayerScale

from layerlens.errors import ModelFileError, UnsafeCodeError
from layerlens.models.external.older.record import MalformedError
from layerlens.models.external.older.translate import translate
from tests.unit.models.external.older.old_files import chain, graph, layer, loaded, node

pytestmark = pytest.mark.usefixtures("backend")

INPUT = {"batch_input_shape": [None, 6, 6, 2]}


def refusal(tmp_path: Path, config: Any, version: str = "1.2.2") -> ModelFileError:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({**config, "keras_version": version}))
    with pytest.raises(ModelFileError) as caught:
        loaded(path)
    assert not isinstance(caught.value, UnsafeCodeError)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("one", "what", "place"),
    [
        (layer("LocallyConnected2D", "x", nb_filter=2, **INPUT), "different weights at each", ""),
        (layer("SReLU", "x", **INPUT), "four learned values", ""),
        (layer("BatchNormalization", "x", mode=1, **INPUT), "each sample on its own", ".mode"),
        (layer("BatchNormalization", "x", mode=2, **INPUT), "in inference too", ".mode"),
        (layer("Merge", "x", mode="cos", **INPUT), "a `Merge` in the mode 'cos'", ""),
        (
            layer("Lambda", "x", function=["4wEA", None, None], **INPUT),
            "bytecode of another Python",
            "",
        ),
        (layer("Attention", "x", causal=True, **INPUT), "`causal: True`", ".causal"),
        (layer("Highway", "x", **INPUT), "of unknown width", ""),
    ],
    ids=lambda value: value["class_name"] if isinstance(value, dict) else None,
)
def test_what_keras_3_does_not_express(tmp_path: Path, one: Any, what: str, place: str) -> None:
    config = chain(layer("Dropout", "first", p=0.1, **INPUT), one)
    if one["class_name"] == "Merge":
        config = graph(["first"], ["x"], node("InputLayer", "first", [], **INPUT),
                       {**one, "name": "x", "inbound_nodes": [[["first", 0, 0]] * 2]})  # fmt: skip
    error = refusal(tmp_path, config)
    assert (
        "(saved by Keras 1.2.2) has parts without an equivalent in Keras 3: layer `x`"
        in error.message
    )
    assert what in error.message
    assert "[1]" in error.message
    assert place in error.message
    assert "under `python:`" in str(error.hint)


def test_an_unknown_operation_of_tensorflow_is_named(tmp_path: Path) -> None:
    one = node("TFOpLambda", "tf.io", ["x"], function="io.read_file")
    config = graph(["x"], ["tf.io"], node("InputLayer", "x", [], **INPUT), one, kind="Functional")
    assert "`io.read_file`" in refusal(tmp_path, config, "2.11.0").message


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"class_name": "Sequential", "config": [7]}, "config[0]"),
        ({"class_name": "Sequential", "config": [{"class_name": 3, "config": {}}]}, "class_name"),
        ({"class_name": "Model", "config": {"layers": 3}}, "config.layers"),
        (chain(layer("Dense", "d", output_dim=2, units=3, **INPUT)), "config[0].config.output_dim"),
        (graph(["x"], ["y"], node("InputLayer", "x", [], **INPUT)), "config.output_layers"),
    ],
    ids=["a number", "a class", "no layers", "both names", "no such layer"],
)
def test_what_no_keras_wrote(tmp_path: Path, config: Any, place: str) -> None:
    error = refusal(tmp_path, config)
    assert "in a form that no version of Keras writes" in error.message
    assert place in error.message


def test_a_file_of_keras_0_is_named(tmp_path: Path) -> None:
    config = {"name": "Sequential", "layers": [{"name": "Dense", "output_dim": 2}]}
    path = tmp_path / "m.json"
    path.write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match="in the form of Keras 0"):
        loaded(path)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, (dict, list)):
        for key, item in items:
            yield from places(item, (*at, key)) if isinstance(item, (dict, list)) else [(*at, key)]


def message_of(config: Any) -> str | None:
    try:
        translate(config, "1.2.2", with_weights=True)
    except MalformedError as error:
        return str(error)
    return None


def test_no_damage_leads_to_another_error() -> None:
    """Each part of a description in turn is another thing."""
    config = graph(
        ["x"],
        ["f"],
        node("InputLayer", "x", [], **INPUT),
        node("Convolution2D", "c", ["x"], nb_filter=2, nb_row=1, nb_col=1, dim_ordering="tf",
             init="uniform", W_regularizer={"name": "WeightRegularizer", "l2": 0.1}),
        node("Merge", "m", ["c", "x"], mode="sum"),
        {**chain(layer("ZeroPadding2D", "z", padding=[1, 1, 1, 1], **INPUT)), "name": "s",
         "inbound_nodes": [[["m", 0, 0]]]},
        node("TFOpLambda", "t", [["s", 1, 0]], function="math.add"),
        node("TimeDistributed", "w", ["t"], layer=layer("BatchNormalization", "b", axis=[3])),
        node("Flatten", "f", ["w"]),
    )  # fmt: skip
    chosen = random.Random(0)
    for place in places(config):
        for other in chosen.sample([None, 7, "x", [], {}, [[3]], {"class_name": "Dense"}, -1.5], 3):
            damaged = copy.deepcopy(config)
            if not place:
                continue
            part = damaged
            for key in place[:-1]:
                part = part[key]
            part[place[-1]] = other
            told = message_of(damaged)
            assert told is None or "(at `" in told


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_private_layers_of_keras_own_models_load(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, LayerScale(0.5, 3)(keras.layers.Dense(3)(inputs)))
    model.save(path)
    assert loaded(path).report.params == 15
