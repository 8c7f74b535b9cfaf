"""The outputs of a SavedModel are a mapping: their names count, and not the alphabet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import layerlens

pytestmark = pytest.mark.usefixtures("backend")


def model_of_two() -> Any:
    given = keras.Input((3,), name="x")
    model = keras.Model(given, [keras.layers.Dense(2, name=name)(given) for name in ("q", "p")])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def saved(model: Any, folder: Path, names: tuple[str, str]) -> str:
    import tensorflow as tf

    function = tf.function(
        lambda x: dict(zip(names, model(x), strict=True)),
        input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")],
    )
    module = tf.Module()
    module.model = model
    signatures = {"serving_default": function.get_concrete_function()}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return str(folder)


@pytest.mark.parametrize(
    ("names", "verdict"), [(("q", "p"), "equivalent"), (("p", "q"), "different")]
)
def test_outputs_with_the_names_of_the_layers(
    tmp_path: Path, names: tuple[str, str], verdict: str
) -> None:
    model = model_of_two()
    model.save(tmp_path / "ours.keras")
    folder = saved(model, tmp_path / "m", names)
    report = layerlens.compare(str(tmp_path / "ours.keras"), folder, allow_code=True)
    (pair,) = report.scenarios[0].pairs
    assert pair.verdict == verdict


@pytest.mark.parametrize("wrong", [False, True])
def test_outputs_with_other_names(tmp_path: Path, wrong: bool) -> None:
    """The values tell which output is which, and the report says so."""
    model = model_of_two()
    model.save(tmp_path / "ours.keras")
    if wrong:
        model.set_weights([value * 1.01 for value in model.get_weights()])
    folder = saved(model, tmp_path / "m", ("second", "first"))
    report = layerlens.compare(str(tmp_path / "ours.keras"), folder, allow_code=True)
    (pair,) = report.scenarios[0].pairs
    assert pair.verdict == ("different" if wrong else "equivalent")
    told = (
        "by the shapes, the outputs may be in another order, but the models do not agree then"
        if wrong
        else "names and shapes do not tell which output is which"
    )
    assert told in pair.explanation
