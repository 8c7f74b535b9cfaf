"""A model, saved in the formats that Keras writes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import pytest


@pytest.fixture(scope="module")
def model() -> Any:
    inputs = keras.Input((6, 3))
    hidden = keras.layers.Bidirectional(keras.layers.LSTM(2, kernel_regularizer="l2"))(inputs)
    return keras.Model(inputs, keras.layers.Dense(4, activation="gelu", name="last")(hidden))


@pytest.fixture
def keras_file(model: Any, tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    model.save(path)
    return path


@pytest.fixture
def h5_file(model: Any, tmp_path: Path) -> Path:
    path = tmp_path / "model.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path
