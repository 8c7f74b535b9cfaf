"""Build a Keras model from its serialized form, with or without weights."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.legacy.saving import saving_options, saving_utils
from keras.src.saving.serialization_lib import SafeModeScope

from layerlens.models.build.custom_objects import in_use
from layerlens.models.external.archive import unpack
from layerlens.models.external.older.weights import Age, assign_stored
from layerlens.models.external.saved_file import SavedModel


@dataclass(frozen=True)
class Source:
    """A saved model, and the code that it may use."""

    saved: SavedModel
    custom_objects: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = False
    #: The description to build from, if it is not the file's own.
    described: Mapping[str, Any] | None = None
    #: Remarks for the model's report.
    notes: tuple[str, ...] = ()
    #: What the saved model did and this one does not; None without such a difference.
    unrestored: str | None = None
    #: Who wrote the weights of an `.h5` file of Keras 1 or 2; None for any other file.
    age: Age | None = None

    @property
    def config(self) -> Mapping[str, Any]:
        return self.saved.config if self.described is None else self.described

    @property
    def has_weights(self) -> bool:
        return self.saved.kind != "json"


def draft_model(source: Source, config: Mapping[str, Any]) -> Any:
    """Build the model from a description alone, with new initial weights.

    Raises whatever Keras raises for a description that it cannot deserialize.
    """
    described = copy.deepcopy({**config, "compile_config": None})  # Keras changes it
    objects = dict(source.custom_objects)
    with in_use(objects):
        if source.saved.kind != "keras" and "module" not in config:
            return _from_older_form(source, described)
        return keras.saving.deserialize_keras_object(
            described, objects, safe_mode=not source.trusted
        )


def _from_older_form(source: Source, config: dict[str, Any]) -> Any:
    """Build a model from the form of `.h5` files and Keras 2, which has class names alone."""
    older = saving_options.keras_option_scope(use_legacy_config=True)
    with older, SafeModeScope(not source.trusted):
        return saving_utils.model_from_config(config, custom_objects=dict(source.custom_objects))


def restore_model(source: Source, config: Mapping[str, Any]) -> Any:
    """Load the model with its saved weights, but with the description `config`.

    Raises whatever Keras raises for a file that it cannot load.
    """
    if source.age is not None:
        model = draft_model(source, config)
        assign_stored(model, source.saved.path, source.age)
        return model
    if config == source.saved.config and not source.saved.stripped:
        return _loaded(source, source.saved.path)
    with tempfile.TemporaryDirectory(prefix="layerlens-") as folder:
        write = _write_folder if source.saved.kind == "keras" else _write_hdf5
        return _loaded(source, write(source.saved, config, Path(folder)))


def _loaded(source: Source, path: Path) -> Any:
    objects = dict(source.custom_objects)
    with in_use(objects):
        return keras.saving.load_model(
            str(path), custom_objects=objects, compile=False, safe_mode=not source.trusted
        )


def _write_folder(saved: SavedModel, config: Mapping[str, Any], folder: Path) -> Path:
    """Unpack a `.keras` archive with another description into a folder, which Keras loads too."""
    with zipfile.ZipFile(saved.path) as archive:
        unpack(archive, folder)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _write_hdf5(saved: SavedModel, config: Mapping[str, Any], folder: Path) -> Path:
    path = folder / "model.h5"
    shutil.copyfile(saved.path, path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(config).encode("utf-8")
    return path
