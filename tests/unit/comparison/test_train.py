from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.comparison.train import TrainingResult, TrainingTask, train
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.numerics.arrays import Array
from layerlens.scenario.spec import FitSpec
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")

INPUTS = np.random.default_rng(0).standard_normal((16, 3))


def trained(
    target: Array, precision: Any = "working", select: str | None = None, **fit: Any
) -> tuple[TrainingResult, Built]:
    spec = chain("model", layer("Dense", units=2), select=select)
    built = build_model(spec, (input_of(3),), precision=precision)
    assert isinstance(built, Built)
    task = TrainingTask(built, (INPUTS,), target, batch_size=8)
    options: dict[str, Any] = {"loss": "mse", "optimizer": "sgd", **fit}
    return train(task, FitSpec(**options), KerasRunner(built)), built


def test_losses_fall_and_the_final_weights_are_returned() -> None:
    result, built = trained(np.zeros((16, 2)), epochs=4)
    assert result.error is None
    assert len(result.losses) == 4
    assert result.losses[-1] < result.losses[0]
    assert result.target_shape == (16, 2)
    assert [weight.shape for weight in result.weights] == [(3, 2), (2,)]
    assert np.array_equal(result.weights[0], np.asarray(built.model.get_weights()[0]))
    assert result.weights[1].any()  # a bias begins at zero


def test_the_model_is_not_compiled_and_the_default_dtype_is_restored() -> None:
    before = keras.config.floatx()
    result, built = trained(np.zeros((16, 2)), precision="float64")
    assert result.weights[0].dtype == np.float64
    assert not built.model.compiled
    assert keras.config.floatx() == before


def test_only_the_selected_part_of_the_output_is_trained() -> None:
    result, _ = trained(np.zeros(16), select="[:, 0]")
    assert result.error is None
    assert result.weights[1][0] != 0
    assert result.weights[1][1] == 0


def test_a_refusal_of_keras_is_the_result() -> None:
    result, _ = trained(np.zeros((16, 5)))
    assert result.error is not None
    assert result.losses == ()
    assert keras.config.floatx() == "float32"
