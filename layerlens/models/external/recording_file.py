"""Read and write recordings: `.npz` files of arrays, without pickled objects.

`numpy.load(path, allow_pickle=False)` reads them as well. The member `recording` is the description
in JSON, as bytes; the others are arrays whose names and shapes follow from it:

    weights/KIND/N              the values of a weight
    inputs/BATCH/N              an input
    outputs/RUN/EXECUTION/N     an output in working precision
    float64/RUN/N               the same in float64
    sensitivity/RUN/N           how far it moves with inputs and weights
    inner/RUN/N                 how far it moves with every result inside the model
"""

from __future__ import annotations

import io
import itertools
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerlens.errors import LayerlensError, ModelFileError, UsageError, Where
from layerlens.fault_codes import Code
from layerlens.files import os_reason
from layerlens.models.external.archive import opened_archive
from layerlens.models.external.damaged_file import damaged
from layerlens.models.external.recording_header import FORMAT, Header, header_of
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import ProbeBatch
from layerlens.numerics.recording import SAVED, RecordedRun, Recording
from layerlens.numerics.weight_values import WeightSlot
from layerlens.plain.json import DEEPEST, JsonError, parse_json
from layerlens.report.from_json import decode_rows
from layerlens.report.run import to_plain
from layerlens.scenario.spec import InputSpec, ModelSpec

SUFFIX = ".npz"
#: The largest file that is written unless a greater limit is given.
LARGEST_RECORDING = 20 * 10**6

_HEADER = "recording"
_MOST_HEADER_BYTES = 32 * 1024**2
#: Larger members are stored as they are, so that no reader takes them for a zip bomb.
_MOST_DEFLATED = 8 * 1024**2
_HINT = "layerlens does not write such recordings; do not use this file"
_AGAIN = "record the model again with `layerlens record`, or copy the file again"
_EPOCH = (1980, 1, 1, 0, 0, 0)
#: dtype → the kinds of arrays that hold its values.
_KINDS = {"bool": "b", "string": "U", "int": "iu", "uint": "iu", "float": "f", "bfloat": "f"}


def is_recording_spec(spec: ModelSpec) -> bool:
    """Return whether a model is given as a recording, by the suffix of its file."""
    return spec.form == "file" and spec.file is not None and spec.file.lower().endswith(SUFFIX)


# --- writing --------------------------------------------------------------------------------------


def recording_bytes(recording: Recording) -> bytes:
    """Return the content of a recording's file; equal recordings give equal bytes."""
    description = json.dumps(to_plain(header_of(recording)), separators=(",", ":"))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        described = np.frombuffer(description.encode(), dtype=np.uint8)
        for name, array in itertools.chain([(_HEADER, described)], _arrays_of(recording)):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            info.external_attr = 0o644 << 16
            is_small = member.tell() <= _MOST_DEFLATED
            info.compress_type = zipfile.ZIP_DEFLATED if is_small else zipfile.ZIP_STORED
            archive.writestr(info, member.getvalue())
    return stream.getvalue()


def _arrays_of(recording: Recording) -> Iterator[tuple[str, Array]]:
    for kind, values in recording.weights.items():
        for n, array in enumerate(values):
            yield f"weights/{kind}/{n}", array
    for position, batch in enumerate(recording.batches):
        for n, array in enumerate(batch.inputs):
            yield f"inputs/{position}/{n}", array.astype("U") if array.dtype.hasobject else array
    for position, run in enumerate(recording.runs):
        for execution, outputs in run.outputs.items():
            for n, array in enumerate(outputs):
                yield f"outputs/{position}/{execution}/{n}", array
        for part in ("float64", "sensitivity", "inner"):
            for n, array in enumerate(getattr(run, part)):
                yield f"{part}/{position}/{n}", array


def has_content(path: str, data: bytes) -> bool:
    """Return whether a file has this content."""
    target = Path(path)
    try:
        return target.stat().st_size == len(data) and target.read_bytes() == data
    except OSError:
        return False


def refuse_to_replace(path: str) -> None:
    """Raise UsageError if a file that is not a recording would be replaced."""
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise UsageError(
            f"a recording's name ends in {SUFFIX}; received {path!r}",
            hint=f"name it {target.with_suffix(SUFFIX).name or 'golden.npz'}",
            code=Code.CANNOT_WRITE,
        )
    if target.exists() and not is_recording(target):
        raise UsageError(
            f"cannot write to {path}: it is not a recording, and would be overwritten",
            hint="name another file, or remove this one",
            code=Code.CANNOT_WRITE,
        )


def is_recording(path: Path) -> bool:
    """Return whether a file is a recording of layerlens, of any version of the format."""
    try:
        with opened_archive(path, None) as archive:
            return "layerlens_recording" in _parsed_header(path, archive, None)
    except (LayerlensError, OSError, zipfile.BadZipFile, zlib.error, ValueError, EOFError):
        return False


# --- reading --------------------------------------------------------------------------------------


def read_recording(path: str | Path, where: Where | None = None) -> Recording:
    """Return the recording in a file, every part of which is checked.

    Raises:
        ModelFileError: the file is missing, damaged, no recording, of a later format, or harmful.
    """
    path = Path(path)
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise damaged(path, f"{what}, not a recording", where, _AGAIN)
        with opened_archive(path, where, _HINT) as archive:
            header = _header(path, archive, where)
            return _Reader(path, archive, header, where).read()
    except zipfile.BadZipFile as error:
        what = f"is damaged or not a recording: it is not a whole zip archive ({error})"
        raise damaged(path, what, where, _AGAIN) from error
    except OSError as error:
        raise ModelFileError(
            f"{path} cannot be read: {os_reason(error)}",
            where,
            "check the path and its permissions",
            code=Code.UNREADABLE_FILE,
        ) from error
    except (EOFError, NotImplementedError, ValueError, zlib.error) as error:
        reason = str(error) or "its data ends too early"
        raise damaged(path, f"is damaged: {reason}", where, _AGAIN) from error


def _header(path: Path, archive: zipfile.ZipFile, where: Where | None) -> Header:
    data = _parsed_header(path, archive, where)
    version = data.get("layerlens_recording")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        what = f"names no version of the format (it has {version!r})"
        raise damaged(path, what, where, _AGAIN)
    if version > FORMAT:
        written = data.get("versions")
        by = written.get("layerlens") if isinstance(written, dict) else None
        raise damaged(
            path,
            f"has version {version} of the format, written by layerlens {by}; this layerlens reads "
            f"up to {FORMAT}",
            where,
            "`pip install --upgrade layerlens`, or record the model again with this version",
        )
    try:
        header: Header = decode_rows(Header, data, "recording")
    except ValueError as error:
        raise damaged(path, f"has a description that is damaged: {error}", where, _AGAIN) from error
    contradiction = header.inconsistency()
    if contradiction is not None:
        what = f"has a description that is damaged: it has {contradiction}"
        raise damaged(path, what, where, _AGAIN)
    return header


def _parsed_header(path: Path, archive: zipfile.ZipFile, where: Where | None) -> dict[str, Any]:
    name = f"{_HEADER}.npy"
    if name not in archive.namelist():
        raise damaged(
            path,
            "is not a recording of layerlens: it has no description",
            where,
            "`layerlens record MODEL -o FILE.npz` writes one",
        )
    if archive.getinfo(name).file_size > _MOST_HEADER_BYTES:
        raise damaged(path, "has a description that is too large to be one", where, _HINT)
    text = _array(path, archive, _HEADER, where).tobytes().decode()
    try:
        data = parse_json(text, deepest=3 * DEEPEST)
    except JsonError as error:
        raise damaged(path, f"has a description that {error}", where, _AGAIN) from error
    if not isinstance(data, dict):
        raise damaged(path, "has a description that is not a mapping", where, _AGAIN)
    return data


def _array(path: Path, archive: zipfile.ZipFile, name: str, where: Where | None) -> Array:
    """Return one array, whose size is that of its member, whatever its header says."""
    try:
        data = archive.read(f"{name}.npy")
    except KeyError:
        raise damaged(path, f"lacks the array `{name}`", where, _AGAIN) from None
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read(stream)
    except (ValueError, KeyError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise damaged(path, f"has a damaged array `{name}`: {error}", where, _AGAIN) from None
    if dtype.hasobject:
        what = f"holds pickled Python objects in `{name}`, which are never loaded"
        raise damaged(path, what, where, _HINT)
    if dtype.kind not in "biufU":
        raise damaged(path, f"has values of type {dtype} in `{name}`", where, _HINT)
    held = len(data) - stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held:
        what = f"has an array `{name}` of {list(shape)} {dtype} values in {held:,} bytes"
        raise damaged(path, what, where, _AGAIN)
    if not held:
        return np.zeros(shape, dtype)
    flat = np.frombuffer(data, dtype, offset=stream.tell())
    array = flat.reshape(shape[::-1]).T if is_fortran else flat.reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


@dataclass(frozen=True)
class _Reader:
    """Reads the arrays that a description names, and checks each against it."""

    path: Path
    archive: zipfile.ZipFile
    header: Header
    where: Where | None

    def read(self) -> Recording:
        header = self.header
        slots = tuple(
            WeightSlot(one.path, one.shape, one.dtype, one.is_depthwise) for one in header.weights
        )
        weights = {
            kind: tuple(
                self._checked(f"weights/{kind}/{n}", slot.dtype, slot.shape)
                for n, slot in enumerate(slots)
            )
            for kind in header.kinds
        }
        if SAVED not in weights:
            raise self._fault("lacks the weights that the model was saved with")
        batches = tuple(self._batch(position) for position in range(len(header.batches)))
        runs = tuple(self._run(position, batches) for position in range(len(header.runs)))
        self._refuse_others()
        return Recording(
            report=header.model,
            inputs=tuple(
                InputSpec(one.name, one.shape, one.dtype, one.low, one.high)
                for one in header.inputs
            ),
            slots=slots,
            weights=weights,
            batches=batches,
            runs=runs,
            output_dtypes=header.output_dtypes,
            coarsest_dtype=header.coarsest_dtype,
            exact=header.exact,
            float32=header.float32,
            numbers=header.numbers,
            unseen=header.unseen,
            seed=header.seed,
            versions=header.versions,
        )

    def _batch(self, position: int) -> ProbeBatch:
        described = self.header.batches[position]
        ends = list(itertools.accumulate(described.samples))
        arrays = tuple(
            self._checked(f"inputs/{position}/{n}", spec.dtype, (ends[-1], *spec.shape))
            for n, spec in enumerate(self.header.inputs)
        )
        starts = [0, *ends[:-1]]
        slices = tuple(itertools.starmap(slice, zip(starts, ends, strict=True)))
        return ProbeBatch(described.names, slices, arrays)

    def _run(self, position: int, batches: tuple[ProbeBatch, ...]) -> RecordedRun:
        described = self.header.runs[position]
        count = range(len(self.header.output_dtypes))
        float64 = tuple(self._output(f"float64/{position}/{n}") for n in count)
        outputs = {
            execution: tuple(
                self._output(f"outputs/{position}/{execution}/{n}", float64[n]) for n in count
            )
            for execution in described.executions
        }
        moved: Mapping[str, tuple[Array, ...]] = {
            part: tuple(self._rounding(f"{part}/{position}/{n}", float64[n]) for n in count)
            for part in ("sensitivity", "inner")
        }
        return RecordedRun(
            described.weights,
            described.batch,
            outputs,
            float64,
            moved["sensitivity"],
            moved["inner"],
        )

    def _output(self, name: str, like: Array | None = None) -> Array:
        """Return an output: numbers of any dtype, since some layers do not declare their own."""
        array = _array(self.path, self.archive, name, self.where)
        if array.dtype.kind not in "biuf":
            raise self._fault(f"has {array.dtype} values in `{name}`, where numbers are needed")
        if like is not None and (array.shape, array.dtype.kind) != (like.shape, like.dtype.kind):
            raise self._fault(
                f"has an array `{name}` of {list(array.shape)} {array.dtype} values, unlike the "
                f"{list(like.shape)} {like.dtype} values in float64"
            )
        return array

    def _rounding(self, name: str, output: Array) -> Array:
        """Return a measured change, which is finite and at least 0 for each element."""
        array = self._checked(name, "float32", output.shape).astype(np.float64)
        if not np.isfinite(array).all() or (array < 0).any():
            raise self._fault(f"has a measured rounding that is not a number ≥ 0 in `{name}`")
        return array

    def _checked(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> Array:
        array = _array(self.path, self.archive, name, self.where)
        kinds = _KINDS.get(dtype.rstrip("0123456789"), "")
        if array.dtype.kind not in kinds:
            raise self._fault(f"has {array.dtype} values in `{name}`, where {dtype} is described")
        if not _fits(array.shape, shape):
            expected = str(list(shape)).replace("None", "null")
            raise self._fault(
                f"has an array `{name}` of shape {list(array.shape)}, where {expected} is described"
            )
        return array

    def _refuse_others(self) -> None:
        """Refuse members that no recording has."""
        header = self.header
        known = {f"{_HEADER}.npy"}
        known |= {f"weights/{k}/{n}.npy" for k in header.kinds for n in range(len(header.weights))}
        known |= {
            f"inputs/{b}/{n}.npy"
            for b in range(len(header.batches))
            for n in range(len(header.inputs))
        }
        for r, run in enumerate(header.runs):
            parts = [f"outputs/{r}/{execution}" for execution in run.executions]
            parts += [f"{part}/{r}" for part in ("float64", "sensitivity", "inner")]
            known |= {f"{part}/{n}.npy" for part in parts for n in range(len(header.output_dtypes))}
        others = [name for name in self.archive.namelist() if name not in known]
        if others:
            what = f"has a member that no recording has: {others[0]!r}"
            raise damaged(self.path, what, self.where, _HINT)

    def _fault(self, what: str) -> ModelFileError:
        return damaged(self.path, what, self.where, _AGAIN)


def _fits(shape: tuple[int, ...], described: tuple[int | None, ...]) -> bool:
    return len(shape) == len(described) and all(
        wanted is None or n == wanted for n, wanted in zip(shape, described, strict=True)
    )
