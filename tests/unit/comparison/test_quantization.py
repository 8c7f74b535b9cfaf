"""A quantised file is never equivalent: it is within what its own steps allow, or different."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import layerlens
from layerlens.comparison.quantization import steps_by_shape
from layerlens.models.runtimes.foreign import Step
from layerlens.report.pairs import PairReport

pytest.importorskip("ai_edge_litert", reason="the extra `litert` is not installed")
pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model, one with other weights, and the first quantised in two ways."""
    folder = tmp_path_factory.mktemp("quantized")
    layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=weight.shape) * 0.5 for weight in model.get_weights()])
    model.save(folder / "right.keras")
    (folder / "half.tflite").write_bytes(converted(model, half=True))
    (folder / "whole.tflite").write_bytes(converted(model, half=False))
    values = model.get_weights()
    model.set_weights([*values[:3], np.zeros_like(values[3])])
    model.save(folder / "lost.keras")
    model.set_weights([values[0][::-1], *values[1:]])
    model.save(folder / "wrong.keras")
    return folder


def converted(model: Any, *, half: bool) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if half:
        converter.target_spec.supported_types = [tf.float16]
    else:
        rng = np.random.default_rng(4)
        samples = [[rng.normal(size=(1, 5)).astype("float32")] for _ in range(50)]
        converter.representative_dataset = lambda: iter(samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what TensorFlow warns of does not concern this test
        return bytes(converter.convert())


def compared(files: Path, reference: str, name: str, **options: Any) -> PairReport:
    scenario = layerlens.compare(
        str(files / reference), str(files / f"{name}.tflite"), **options
    ).scenarios[0]
    assert not scenario.errors, scenario.errors
    return scenario.pairs[0]


@pytest.mark.parametrize("name", ["half", "whole"])
def test_a_right_file_is_within_its_quantisation(files: Path, name: str) -> None:
    pair = compared(files, "right.keras", name)
    assert (pair.verdict, pair.strength) == ("within_quantization", None)
    assert "are not the same function, and within what quantisation allows" in pair.explanation
    assert pair.max_abs is not None
    assert pair.max_abs > 1e-4


@pytest.mark.parametrize("name", ["half", "whole"])
def test_a_file_of_other_weights_differs(files: Path, name: str) -> None:
    pair = compared(files, "wrong.keras", name)
    assert pair.verdict == "different"
    assert pair.counterexample is not None


def test_a_lost_bias_shows_in_the_mean(files: Path) -> None:
    pair = compared(files, "lost.keras", "whole")
    assert pair.verdict == "different"
    assert "and the mean over all samples" in pair.explanation


def test_a_tolerance_decides_instead(files: Path) -> None:
    assert compared(files, "right.keras", "whole", tolerance=(0.0, 0.5)).verdict == "equivalent"
    assert compared(files, "right.keras", "whole", tolerance=(0.0, 1e-6)).verdict == "different"


def test_it_satisfies_only_its_own_expectation(files: Path) -> None:
    for expect, held in (("within_quantization", True), ("equivalent", False)):
        report = layerlens.compare(
            str(files / "right.keras"), str(files / "half.tflite"), expect=expect
        )
        (row,) = report.scenarios[0].expectations
        assert (row.actual, row.held) == ("within_quantization", held)


def test_the_greatest_step_of_a_shape_counts() -> None:
    steps = [Step((3,), 0.1, -1, 1), Step((3,), 0.2, -2, 2), Step((4, 3), 0.3, 0, 1)]
    assert steps_by_shape(steps) == {(3,): 0.2, (4, 3): 0.3}
