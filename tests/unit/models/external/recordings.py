"""Recordings for tests: made without Keras, and changed in one place."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from layerlens.models.external.recording_file import recording_bytes
from layerlens.numerics.probes import Probe, join
from layerlens.numerics.recording import SAVED, Float32Parts, RecordedRun, Recording, Versions
from layerlens.numerics.weight_values import WeightSlot
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.scenario.spec import InputSpec


def doubling() -> Recording:
    """Return the recording of a model that multiplies three numbers by one weight, 2."""
    batch = join([Probe("normal", (np.float32([[1, 2, 3], [4, 5, 6]]),))])
    outputs = (batch.inputs[0] * np.float32(2),)
    doubles = (outputs[0].astype(np.float64),)
    moved = (np.abs(outputs[0]),)
    layer = LayerRow("scale", "Scale", "scale", (None, 3), (None, 3), 1, "float32")
    return Recording(
        report=ModelReport("doubling", 1, 1, 0, (None, 3), (layer,), input_shape=(None, 3)),
        inputs=(InputSpec("x", (3,)),),
        slots=(WeightSlot("scale/factor", (), "float32"),),
        weights={SAVED: (np.asarray(np.float32(2)),)},
        batches=(batch,),
        runs=(
            RecordedRun(
                SAVED,
                0,
                {"traced_dynamic": outputs, "eager": outputs},
                doubles,
                moved,
                moved,
            ),
        ),
        output_dtypes=("float32",),
        coarsest_dtype="float32",
        exact=True,
        float32=Float32Parts((0.1,), computed=False),
        numbers={"scale": (0.5,)},
        unseen=("dropout",),
        seed=3,
        versions=Versions("0.1.0", "3.12.0", "3.9.0", "2.18.0", "2.1.0"),
    )


def written(folder: Path, recording: Recording | None = None) -> Path:
    """Return the path of a recording's file."""
    path = folder / "golden.npz"
    path.write_bytes(recording_bytes(recording or doubling()))
    return path


def members(path: Path) -> dict[str, bytes]:
    """Return the members of a file by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(path: Path, changes: Mapping[str, bytes | None], *, compress: bool = False) -> Path:
    """Replace, add or (None) leave out members of a file."""
    kept = {name: data for name, data in members(path).items() if name not in changes}
    kept |= {name: data for name, data in changes.items() if data is not None}
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in kept.items():
            archive.writestr(name, data)
    return path


def redescribed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the description in a file."""
    description = json.loads(np.load(io.BytesIO(members(path)["recording.npy"])).tobytes())
    change(description)
    data = np.frombuffer(json.dumps(description).encode(), np.uint8)
    return repacked(path, {"recording.npy": saved(data)})


def saved(array: Any, *, allow_pickle: bool = False) -> bytes:
    """Return an array as NumPy saves it."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()
