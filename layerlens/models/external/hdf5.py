"""Check the links, sizes and types in an HDF5 file before anything is read from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from layerlens.errors import Where
from layerlens.models.external.damaged_file import damaged

_HINT = "Keras does not save such files; do not open it"
#: Above the floor, a dataset may claim this many bytes per stored byte (compressed zeros).
_MOST_EXPANSION = 1000
#: The filters in HDF5 and h5py themselves (deflate, shuffle, checksums, szip, N-bit, scale-offset,
#: LZF). For any other filter HDF5 loads a library from its plugin folder.
_OWN_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
#: The errors that h5py raises for damaged structures.
_H5PY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)
_EXPANSION_FLOOR_BYTES = 16 * 1024**2
#: The same limits for all datasets together.
_MOST_TOTAL_EXPANSION = 10
_TOTAL_FLOOR_BYTES = 512 * 10**6
#: A thousand layers have some ten thousand groups and datasets.
_MOST_ITEMS = 100_000


@dataclass(frozen=True)
class Hdf5Model:
    """What a `.h5` model says of itself: its description as JSON, and who wrote it."""

    config: str
    keras_version: str | None = None
    backend: str | None = None


def read_hdf5(path: Path, where: Where | None) -> Hdf5Model:
    """Return what a `.h5` model says of itself.

    Raises:
        ModelFileError: the file is damaged, holds weights only, reaches outside itself or claims
            absurd sizes.
    """
    with path.open("rb") as file:
        return _read(path, file, where)


def check_hdf5(path: Path, file: Any, where: Where | None) -> None:
    """Check an open HDF5 file.

    Raises:
        ModelFileError: it is damaged, reaches outside itself or claims absurd sizes.
    """
    with _opened(path, file, where) as content:
        _check_group(path, content, where)


def _read(path: Path, file: Any, where: Where | None) -> Hdf5Model:
    with _opened(path, file, where) as content:
        _check_group(path, content, where)
        try:
            config = content.attrs.get("model_config")
            writer = {name: content.attrs.get(name) for name in ("keras_version", "backend")}
            attributes = set(content.attrs)
        except _H5PY_ERRORS as error:
            raise damaged(path, f"is damaged: {error}", where) from error
        if config is None:
            weights_only = "layer_names" in attributes or len(content) > 0
            what = "has weights but no model" if weights_only else "has no Keras model"
            hint = "save the whole model with `model.save('model.keras')`"
            raise damaged(path, what, where, hint)
        if "model_weights" not in content:
            raise damaged(path, "describes a model but has no weights for it", where)
        known = {name: _decoded(value) for name, value in writer.items() if value is not None}
        return Hdf5Model(_decoded(config), **known)


def _opened(path: Path, file: Any, where: Where | None) -> Any:
    try:
        return h5py.File(file, "r")
    except _H5PY_ERRORS as error:
        raise damaged(path, f"is damaged or incomplete: {error}", where) from error


def _check_group(path: Path, content: Any, where: Where | None) -> None:
    groups = [("", content)]
    seen = set()
    items = claimed = stored = 0
    try:
        while groups:
            place, group = groups.pop()
            if group.id.__hash__() in seen:
                continue  # a link back to a group above
            seen.add(group.id.__hash__())
            for name in group:
                inner = f"{place}/{name}"
                items += 1
                if items > _MOST_ITEMS:
                    message = f"holds more than {_MOST_ITEMS:,} groups and datasets"
                    raise damaged(path, message, where, _HINT)
                if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                    raise damaged(path, f"links to another file at {inner!r}", where, _HINT)
                item = group.get(name)
                if isinstance(item, h5py.Group):
                    groups.append((inner, item))
                elif isinstance(item, h5py.Dataset):
                    _check_dataset(path, inner, item, where)
                    claimed += _claimed(item)
                    stored += item.id.get_storage_size()
    except _H5PY_ERRORS as error:
        raise damaged(path, f"is damaged: {error}", where) from error
    if claimed > max(_TOTAL_FLOOR_BYTES, _MOST_TOTAL_EXPANSION * stored):
        message = f"declares {claimed:,} bytes in total but stores {stored:,}"
        raise damaged(path, message, where, _HINT)


def _claimed(dataset: Any) -> int:
    return math.prod(dataset.shape or ()) * int(dataset.dtype.itemsize)


def _check_dataset(path: Path, place: str, dataset: Any, where: Where | None) -> None:
    if dataset.external or dataset.is_virtual:
        raise damaged(path, f"reads another file's data at {place!r}", where, _HINT)
    if dataset.dtype.kind == "O":
        raise damaged(path, f"holds objects instead of numbers at {place!r}", where, _HINT)
    created = dataset.id.get_create_plist()
    used = {created.get_filter(index)[0] for index in range(created.get_nfilters())}
    if foreign := used - _OWN_FILTERS:
        message = f"needs a plugin to read {place!r}: filter {min(foreign)}"
        raise damaged(path, message, where, _HINT)
    claimed = _claimed(dataset)
    stored = dataset.id.get_storage_size()
    if claimed > max(_EXPANSION_FLOOR_BYTES, _MOST_EXPANSION * stored):
        message = f"declares {claimed:,} bytes but stores {stored:,} at {place!r}"
        raise damaged(path, message, where, _HINT)


def _decoded(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
