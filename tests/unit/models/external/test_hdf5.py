"""An HDF5 file that reaches outside itself or claims absurd sizes is refused before it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from layerlens.errors import ModelFileError
from layerlens.models.external import hdf5
from layerlens.models.external.saved_file import read_saved
from tests.unit.models.external.saved_files import refusal


def test_datasets_together_may_not_claim_more_than_they_store(
    h5_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(h5_file, "r+") as file:
        for number in range(33):  # never written: each claims less than the floor
            file["model_weights"].create_dataset(str(number), (4 * 10**6,), "f4")
    assert "declares 528,00" in (said := refusal(h5_file)), said
    monkeypatch.setattr(hdf5, "_MOST_ITEMS", 20)
    assert "holds more than 20 groups and datasets" in refusal(h5_file)


def test_one_dataset_may_not_claim_a_million_million_elements(h5_file: Path) -> None:
    with h5py.File(h5_file, "r+") as file:
        file["model_weights"].create_dataset(
            "zeros", (10**12,), "f4", chunks=(10**5,), compression="gzip"
        )
    assert "declares 4,000,000,000,000 bytes but stores 0" in refusal(h5_file)


def test_hdf5_may_not_reach_for_other_files(h5_file: Path, tmp_path: Path) -> None:
    with h5py.File(h5_file, "r+") as file:
        file["model_weights/stolen"] = h5py.ExternalLink("/etc/passwd", "/")
    assert "links to another file at '/model_weights/stolen'" in refusal(h5_file)
    with h5py.File(h5_file, "r+") as file:
        del file["model_weights/stolen"]
        file.create_dataset("a", (4,), "u1", external=[("/etc/passwd", 0, 4)])
    assert "reads another file's data at '/a'" in refusal(h5_file)
    with h5py.File(h5_file, "r+") as file:
        del file["a"]
        layout = h5py.VirtualLayout(shape=(4,), dtype="u1")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(4,))
        file.create_virtual_dataset("b", layout)
    assert "reads another file's data at '/b'" in refusal(h5_file)


def test_hdf5_may_not_load_a_plugin(h5_file: Path) -> None:
    with h5py.File(h5_file, "r+") as file:
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((4,))
        created.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"odd", h5py.h5t.NATIVE_FLOAT, space, created)
    with pytest.raises(ModelFileError, match="needs a plugin to read '/odd': filter 32015"):
        read_saved(h5_file)


def test_hdf5_may_not_hold_objects_or_claim_what_it_has_not(h5_file: Path) -> None:
    with h5py.File(h5_file, "r+") as file:
        file.create_dataset("text", data=np.array(["a"], dtype=h5py.string_dtype()))
    assert "holds objects instead of numbers at '/text'" in refusal(h5_file)
    with h5py.File(h5_file, "r+") as file:
        del file["text"]
        file.create_dataset("huge", (10**12,), "f4", chunks=(1024,))
    assert "declares 4,000,000,000,000 bytes but stores 0 at '/huge'" in refusal(h5_file)


def test_weights_alone_are_no_model(model: Any, tmp_path: Path) -> None:
    model.save_weights(tmp_path / "m.weights.h5")
    assert "has weights but no model" in refusal(tmp_path / "m.weights.h5")
