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


@pytest.mark.parametrize(
    ("names", "factor", "verdict", "told"),
    [
        (("first", "second"), 1.0, "equivalent", "do not tell which output is which"),
        (("second", "first"), 1.0, "inconclusive", "are `second` and `first` in this order"),
        (("second", "first"), 1.01, "different", "the models do not agree then either"),
    ],
)
def test_outputs_with_other_names(
    tmp_path: Path, names: tuple[str, str], factor: float, verdict: str, told: str
) -> None:
    """They are taken by the alphabet; where only another order agrees, it may be a fault."""
    model = model_of_two()
    model.save(tmp_path / "ours.keras")
    model.set_weights([value * factor for value in model.get_weights()])
    folder = saved(model, tmp_path / "m", names)
    report = layerlens.compare(str(tmp_path / "ours.keras"), folder, allow_code=True)
    (pair,) = report.scenarios[0].pairs
    assert pair.verdict == verdict
    assert told in pair.explanation
