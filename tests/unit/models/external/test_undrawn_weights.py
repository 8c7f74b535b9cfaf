"""A saved model is loaded in float64 without drawing weights that its file has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.external.undrawn_weights import without_drawing
from layerlens.scenario.spec import ModelSpec

pytestmark = pytest.mark.usefixtures("backend")


def initializers_of(config: Any) -> list[str]:
    if isinstance(config, list):
        return [name for item in config for name in initializers_of(item)]
    if not isinstance(config, dict):
        return []
    own = [item["class_name"] for key, item in config.items() if key.endswith("_initializer")]
    return own + [name for item in config.values() for name in initializers_of(item)]


@keras.saving.register_keras_serializable("undrawn")
class Own(keras.layers.Dense):  # type: ignore[misc]
    """A layer that Keras does not define."""


def test_layers_of_keras_alone_start_with_zeros() -> None:
    inner = keras.Sequential([keras.Input((4, 3)), keras.layers.Dense(3)])
    model = keras.Sequential([keras.Input((4, 3)), inner, keras.layers.GRU(2)])
    config = keras.saving.serialize_keras_object(model)
    assert "GlorotUniform" in initializers_of(config)
    assert set(initializers_of(without_drawing(config))) == {"Zeros"}
    own = keras.saving.serialize_keras_object(keras.Sequential([keras.Input((3,)), Own(2)]))
    assert without_drawing(own) == own


def test_a_float64_form_has_the_weights_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((6, 3)), layers.GRU(4), layers.BatchNormalization(), layers.Dense(2)]
    )
    model.save(tmp_path / "model.keras")
    drawn: list[tuple[int, ...]] = []
    draw = keras.initializers.GlorotUniform.__call__

    def recorded(self: Any, shape: Any, dtype: Any = None) -> Any:
        drawn.append(tuple(shape))
        return draw(self, shape, dtype)

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", recorded)
    spec = ModelSpec("m", "file", file=str(tmp_path / "model.keras"))
    built = build_model(spec, (), precision="float64")
    assert isinstance(built, Built)
    assert drawn == []
    for one, other in zip(built.model.weights, model.weights, strict=True):
        assert one.dtype == "float64"
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other).astype("float64"))
