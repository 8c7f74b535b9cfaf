"""A saved model is built with the scenario's inputs, and a report says what the file left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.models.build.graph import LayerRefusal
from layerlens.models.build.inputs import InputsRefusal, scenario_inputs
from layerlens.models.build.request import BuildRequest, Built, Refused
from layerlens.models.external.deserialize import Source
from layerlens.models.external.rebuild import RebuildError, build_from, inputs_for, wrapped
from layerlens.models.external.saved_file import SavedModel, read_saved
from layerlens.scenario.spec import InputSpec, ModelSpec

pytestmark = pytest.mark.usefixtures("backend")

INPUTS = (InputSpec("steps", (6, 3)),)
X = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")


def request(
    form: Any = "file", inputs: tuple[InputSpec, ...] = INPUTS, **more: Any
) -> BuildRequest:
    return BuildRequest(ModelSpec("m", form, **more), inputs)


def described(layer: Any, **more: Any) -> Source:
    config = keras.saving.serialize_keras_object(layer)
    return Source(SavedModel(Path("m.json"), "json", config), **more)


def built(asked: BuildRequest, source: Source) -> Built:
    result = build_from(asked, source)
    assert isinstance(result, Built), result.report.error
    return result


def test_the_saved_weights_are_restored_and_drafts_have_none(keras_file: Path, model: Any) -> None:
    source = Source(read_saved(keras_file))
    np.testing.assert_array_equal(built(request(), source).model(X), model(X))
    draft = built(replace(request(), allocate=False), source)
    assert not draft.allocated
    assert draft.report.params == model.count_params()


def test_a_policy_a_precision_and_numbers_change_the_description() -> None:
    source = described(keras.Sequential([keras.Input((6, 3)), keras.layers.Rescaling(0.1)]))
    half = built(request(dtype="float16"), source)
    assert half.model(X).dtype == "float16"
    double = built(replace(request(), precision="float64"), source)
    assert double.model(X).dtype == "float64"
    doubled = built(replace(request(), numbers=lambda number: 2 * number), source)
    np.testing.assert_allclose(doubled.model(X), X * 0.2, rtol=1e-6)


def test_notes_and_what_is_not_restored_reach_the_result() -> None:
    layer = keras.layers.Dense(2)
    source = described(layer, notes=("a note",), unrestored="a meaning")
    result = built(request("object"), source)
    assert result.report.notes == ("a note",)
    assert result.unrestored == "a meaning"


def test_a_file_with_foreign_code_says_so() -> None:
    class Plus(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs + 1

    source = described(Plus(), custom_objects={"Plus": Plus}, trusted=True)
    (note,) = built(request("file"), source).report.notes
    assert note.startswith("the code of `Plus` is not in m.json")
    assert built(request("object"), source).report.notes == ()


def test_inputs_that_do_not_fit_are_a_refusal(keras_file: Path) -> None:
    result = build_from(
        request(inputs=(InputSpec("steps", (6, 4)),)), Source(read_saved(keras_file))
    )
    assert isinstance(result, Refused)
    assert result.report.error is not None
    assert "but the scenario gives (None, 6, 4)" in result.report.error.message


def test_what_keras_cannot_make_raises() -> None:
    source = described(keras.layers.Dense(2))
    config = {**source.config, "config": {"units": -1}}
    with pytest.raises(RebuildError) as raised:
        build_from(request(), replace(source, described=config))
    assert "expected a positive integer" in str(raised.value.__cause__)


def test_a_layer_takes_the_inputs_of_the_scenario_and_needs_some() -> None:
    layer = keras.layers.Dense(2)
    fitted = inputs_for(request(), layer)
    assert fitted == scenario_inputs(INPUTS, ())
    assert wrapped(request(), layer, fitted).output_shape == (None, 6, 2)
    with pytest.raises(InputsRefusal, match="does not say what input it takes"):
        inputs_for(request(inputs=()), layer)


def test_a_layer_that_does_not_take_the_inputs_is_a_refusal_of_that_layer() -> None:
    layer = keras.layers.Conv2D(2, 3, name="convolution")
    with pytest.raises(LayerRefusal) as raised:
        wrapped(request(), layer, inputs_for(request(), layer))
    assert (raised.value.layer_name, raised.value.spec.type) == ("convolution", "Conv2D")
