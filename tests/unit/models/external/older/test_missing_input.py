"""Chains of Keras 1 and 2 that were saved without the shape of their input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.errors import ModelFileError
from layerlens.models.build.request import Built, Refused
from layerlens.models.build_model import build_model
from layerlens.models.variants import ModelVariants
from layerlens.scenario.from_arguments import models_as_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import InputSpec, ModelSpec
from tests.unit.models.external.older.old_files import chain, layer, random, write_h5

pytestmark = pytest.mark.usefixtures("backend")

KERNEL, BIAS = random(3, 4), random(4)
FILTERS = random(3, 3, 2, 4)


def write(path: Path, *layers: Any, weights: Any, version: str = "2.2.4") -> Path:
    return write_h5(path, chain(*layers, version=version), weights, version, "tensorflow")


def dense(path: Path, *before: Any) -> Path:
    return write(
        path / "dense.h5",
        *before,
        layer("Dense", "d", units=4),
        weights={"d": {"d/kernel:0": KERNEL, "d/bias:0": BIAS}},
    )


def convolution(path: Path, *after: Any, **weights: Any) -> Path:
    return write(
        path / "conv.h5",
        layer("Conv2D", "c", filters=4, kernel_size=[3, 3], use_bias=False),
        *after,
        weights={"c": {"c/kernel:0": FILTERS}, **weights},
    )


def taken(path: Path, *inputs: InputSpec) -> Any:
    return build_model(ModelSpec("m", "file", file=str(path)), inputs)


def test_the_kernel_of_the_first_dense_layer_tells_the_features(tmp_path: Path) -> None:
    result = taken(dense(tmp_path, layer("Dropout", "drop", rate=0.5)))
    assert isinstance(result, Built)
    assert [spec.shape for spec in result.inputs] == [(3,)]
    note = (
        "the file does not say what input the model takes: (None, 3) was taken, by the weights of "
        "`d`"
    )
    assert note in result.report.notes
    x = random(2, 3)
    np.testing.assert_allclose(result.model(x), x @ KERNEL + BIAS, rtol=1e-5)


@pytest.mark.parametrize(
    ("first", "kernel", "shape", "dtype"),
    [
        (layer("LSTM", "one", units=5, use_bias=False), (3, 20), (None, 3), "float32"),
        (layer("Embedding", "one", input_dim=9, output_dim=5), (9, 5), (None,), "int32"),
        (
            layer("Conv1D", "one", filters=5, kernel_size=[2], use_bias=False),
            (2, 3, 5), (None, 3), "float32",
        ),
    ],
)  # fmt: skip
def test_steps_of_any_number_are_taken(
    tmp_path: Path, first: Any, kernel: Any, shape: Any, dtype: str
) -> None:
    weights = {"one/kernel:0": random(*kernel)}
    if first["class_name"] == "Embedding":
        weights = {"one/embeddings:0": random(*kernel)}
    if first["class_name"] == "LSTM":
        weights["one/recurrent_kernel:0"] = random(5, 20)
    result = taken(write(tmp_path / "m.h5", first, weights={"one": weights}, version="2.3.1"))
    assert isinstance(result, Built), result.report.error
    assert [(spec.shape, spec.dtype) for spec in result.inputs] == [(shape, dtype)]


def test_the_input_of_the_scenario_comes_first(tmp_path: Path) -> None:
    result = taken(dense(tmp_path), InputSpec("x", (5, 3)))
    assert isinstance(result, Built)
    assert result.report.output_shape == (None, 5, 4)
    assert not result.report.notes


def test_a_length_that_weights_need_has_to_be_given(tmp_path: Path) -> None:
    flat = layer("Flatten", "f"), layer("Dense", "d", units=1, use_bias=False)
    path = convolution(tmp_path, *flat, d={"d/kernel:0": random(144, 1)})
    result = taken(path)
    assert isinstance(result, Refused)
    assert "does not say what input it takes" in str(result.report.error)
    assert isinstance(taken(path, InputSpec("x", (8, 8, 2))), Built)
    with pytest.raises(ModelFileError, match=r"\(196, 1\).*has \(144, 1\)") as caught:
        taken(path, InputSpec("x", (9, 9, 2)))
    assert "give the shape that it was trained on" in str(caught.value)


def test_flattened_features_do_not_tell_the_axes_before(tmp_path: Path) -> None:
    assert isinstance(taken(dense(tmp_path, layer("Flatten", "f"))), Refused)


def test_an_old_file_takes_the_input_of_the_model_it_is_compared_with(tmp_path: Path) -> None:
    old = convolution(tmp_path, layer("GlobalAveragePooling2D", "g"))
    image = keras.Input((8, 8, 2))
    hidden = keras.layers.Conv2D(4, 3, use_bias=False)(image)
    new = keras.Model(image, keras.layers.GlobalAveragePooling2D()(hidden))
    new.set_weights([FILTERS])
    new.save(tmp_path / "new.keras")
    scenario = models_as_scenario([str(old), str(tmp_path / "new.keras")])
    models = ModelVariants(scenario, RunOptions()).build_all()
    found = [model.inputs for model in models.values() if isinstance(model, Built)]
    assert [inputs[0].shape for inputs in found] == [(8, 8, 2), (8, 8, 2)]
