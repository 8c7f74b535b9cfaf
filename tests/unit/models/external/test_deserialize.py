"""A model is made from its serialized form, with initial weights or with the saved ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.models.build.inputs import with_shapes
from layerlens.models.external.deserialize import Source, draft_model, restore_model
from layerlens.models.external.saved_file import SavedModel, read_saved

pytestmark = pytest.mark.usefixtures("backend")

X = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")


@pytest.fixture(params=["keras_file", "h5_file"])
def source(request: pytest.FixtureRequest) -> Source:
    return Source(read_saved(request.getfixturevalue(request.param)))


def test_a_draft_has_the_layers_and_other_weights(source: Source, model: Any) -> None:
    drafted = draft_model(source, source.config)
    assert [layer.name for layer in drafted.layers] == [layer.name for layer in model.layers]
    assert drafted.count_params() == model.count_params()
    assert not np.array_equal(drafted(X), model(X))


def test_the_description_is_left_as_it_is(source: Source) -> None:
    before = copy.deepcopy(source.config)
    draft_model(source, source.config)
    restore_model(source, source.config)
    assert source.config == before


def test_a_restored_model_has_the_saved_weights(source: Source, model: Any) -> None:
    np.testing.assert_array_equal(restore_model(source, source.config)(X), model(X))


def test_the_saved_weights_fit_another_description(source: Source, model: Any) -> None:
    name = model.layers[0].name
    restored = restore_model(source, with_shapes(source.config, {name: (2, 6, 3)}))
    assert restored.inputs[0].shape == (2, 6, 3)
    np.testing.assert_array_equal(restored(X), model(X))


def test_the_description_of_a_source_replaces_that_of_its_file(keras_file: Path) -> None:
    saved = read_saved(keras_file)
    assert Source(saved).config is saved.config
    other: Mapping[str, Any] = {"class_name": "Sequential"}
    assert Source(saved, described=other).config is other


def test_only_a_trusted_source_may_hold_code() -> None:
    layer = keras.layers.Lambda(lambda x: x + 1)
    saved = SavedModel(Path("m.json"), "json", keras.saving.serialize_keras_object(layer))
    with pytest.raises(ValueError, match=r"[Ll]ambda"):
        draft_model(Source(saved), saved.config)
    made = draft_model(Source(saved, trusted=True), saved.config)
    assert float(made(np.float32(2.0))) == 3.0


def test_custom_objects_are_found_by_name() -> None:
    class Plus(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs + 1

    config = keras.saving.serialize_keras_object(Plus())
    saved = SavedModel(Path("m.json"), "json", {**config, "module": None})
    assert isinstance(draft_model(Source(saved, {"Plus": Plus}), saved.config), Plus)
    with pytest.raises(TypeError, match="Plus"):
        draft_model(Source(saved), saved.config)
