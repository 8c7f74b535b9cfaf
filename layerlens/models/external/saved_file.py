"""Read the description in a saved model's file, and check that loading it is safe."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from layerlens.errors import ModelFileError, UnsafeCodeError, Where
from layerlens.fault_codes import Code
from layerlens.models.build.allow_list import code_parts, without_hooks
from layerlens.models.external.archive import opened_archive
from layerlens.models.external.damaged_file import damaged
from layerlens.models.external.hdf5 import check_hdf5, read_hdf5
from layerlens.plain.json import JsonError, parse_json
from layerlens.scenario.allowed_classes import is_registered
from layerlens.scenario.keras_source import keras_version

FileFormat = Literal["keras", "h5", "json"]

SUFFIXES: dict[str, FileFormat] = {".keras": "keras", ".h5": "h5", ".hdf5": "h5", ".json": "json"}

#: Keras writes no larger description than this.
_MOST_CONFIG_BYTES = 32 * 1024**2
#: Weights of more bytes are not held in memory while they are checked.
_MOST_HELD_BYTES = 2**30

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"


#: The number of unsafe parts that a message lists.
_MOST_LISTED = 5
_ALLOW = "if you trust the file, allow its code with `--allow-code`"


@dataclass(frozen=True)
class SavedModel:
    """A saved model that has been checked but not built: its serialized form and its writer.

    `config` has no `compile_config`; `stripped` says whether one was removed from an inner part.
    """

    path: Path
    kind: FileFormat
    config: Mapping[str, Any]
    keras_version: str | None = None
    stripped: bool = False
    #: The backend that the file names, such as `theano`; Keras 1 names none.
    backend: str | None = None


def read_saved(path: str | Path, where: Where | None = None) -> SavedModel:
    """Read the description in a `.keras`, `.h5` or `.json` file without building anything.

    Raises:
        ModelFileError: the file is missing, damaged, no Keras model, or harmful to open.
    """
    path = Path(path)
    kind = _kind_of(path, where)
    if kind == "json":
        described = _described(path, _text_of(path, where), where)
        written = _text(described.get("keras_version"))  # Keras 3 writes none
        if written is not None:
            _check_version(path, written, where)
        return _saved(path, kind, described, written)
    if kind == "keras":
        return _read_archive(path, where)
    content = read_hdf5(path, where)
    if content.keras_version is not None:
        _check_version(path, content.keras_version, where)
    described = _described(path, content.config, where)
    return _saved(path, kind, described, content.keras_version, content.backend)


def _saved(
    path: Path,
    kind: FileFormat,
    config: Mapping[str, Any],
    version: str | None = None,
    backend: str | None = None,
) -> SavedModel:
    own = {key: value for key, value in config.items() if key != "compile_config"}
    kept = without_hooks(own)
    return SavedModel(path, kind, kept, version, stripped=kept != own, backend=backend)


def refuse_code(
    saved: SavedModel,
    allow_code: bool,
    where: Where | None,
    described: Mapping[str, Any] | None = None,
    known: Container[str] = (),
) -> None:
    """Refuse a saved model for which Keras might run code.

    `described` is the description to build from, if it is not the file's own; `known` are the
    names of functions that layerlens itself put in.

    Raises:
        UnsafeCodeError: the model holds code, and `allow_code` is false; the layers are named.
    """
    if allow_code:
        return
    config = saved.config if described is None else described
    parts = list(code_parts(config, lambda name: name in known or is_registered(name)))
    if not parts:
        return
    unsafe = list(dict.fromkeys(f"layer `{p.layer}` {p.what} (at `{p.place}`)" for p in parts))
    more = [f"and {len(unsafe) - _MOST_LISTED} more"] if len(unsafe) > _MOST_LISTED else []
    message = "; ".join([*unsafe[:_MOST_LISTED], *more])
    hints = [part.hint for part in parts if part.hint][:1]
    hint = "; or ".join([*hints, _ALLOW])
    raise UnsafeCodeError(f"{saved.path.name} is not safe to load: {message}", where, hint)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _kind_of(path: Path, where: Where | None) -> FileFormat:
    kind = SUFFIXES.get(path.suffix)  # Keras distinguishes the formats by suffix
    try:
        mode = path.stat().st_mode
        if kind is None:
            allowed = ", ".join(f"`{suffix}`" for suffix in SUFFIXES)
            raise damaged(
                path,
                f"has the suffix {path.suffix or '(none)'!r}; saved models end in {allowed}",
                where,
                hint="save the model with `model.save('model.keras')`",
            )
        if stat.S_ISDIR(mode):
            raise damaged(
                path,
                "is a folder, not a saved model",
                where,
                hint="save the model as one file: `model.save('model.keras')`",
            )
        if not stat.S_ISREG(mode):
            raise damaged(path, "is not a regular file", where, hint="give a saved model's file")
        with path.open("rb") as file:
            start = file.read(8)
    except (OSError, ValueError) as error:  # ValueError: the path has a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelFileError(
            f"{path} cannot be read: {reason}",
            where,
            "check the path and its permissions",
            code=Code.UNREADABLE_FILE,
        ) from error
    return _confirmed(path, kind, start, where)


def _confirmed(path: Path, kind: FileFormat, start: bytes, where: Where | None) -> FileFormat:
    if not start:
        raise damaged(path, "is empty", where)
    other = {_HDF5_MAGIC: ".h5", _ZIP_MAGIC + start[4:]: ".keras"}.get(start)
    if other is not None and SUFFIXES[other] != kind:
        raise damaged(
            path,
            f"has the suffix {path.suffix} but the content of a {other} file",
            where,
            hint=f"rename it to {path.with_suffix(other).name}",
        )
    if kind != "json" and other is None:
        what = "a zip archive" if kind == "keras" else "an HDF5 file"
        raise damaged(path, f"is damaged or not a saved model: it is not {what}", where)
    return kind


# --- .keras ---------------------------------------------------------------------------------------


def _read_archive(path: Path, where: Where | None) -> SavedModel:
    try:
        with opened_archive(path, where) as archive:
            _check_complete(path, set(archive.namelist()), where)
            config = _described(path, _member_text(path, archive, "config.json", where), where)
            written = _parsed(path, _member_text(path, archive, "metadata.json", where), where)
            _check_weights(path, archive, where)
    except zipfile.BadZipFile as error:
        what = f"is damaged or incomplete and not a zip archive: {error}"
        raise damaged(path, what, where) from error
    except (EOFError, NotImplementedError, ValueError, OSError, zlib.error) as error:
        raise damaged(path, f"is damaged: {error}", where) from error
    version = written.get("keras_version") if isinstance(written, Mapping) else None
    _check_version(path, version, where)
    return _saved(path, "keras", config, _text(version))


def _check_complete(path: Path, names: set[str], where: Where | None) -> None:
    missing = [name for name in ("config.json", "metadata.json") if name not in names]
    if not names & {"model.weights.h5", "model.weights.npz"}:
        missing.append("model.weights.h5")
    if missing:
        lacks = " and ".join(f"`{name}`" for name in missing)
        raise damaged(path, f"is a zip archive but not a Keras model: it has no {lacks}", where)


def _member_text(path: Path, archive: zipfile.ZipFile, name: str, where: Where | None) -> str:
    if archive.getinfo(name).file_size > _MOST_CONFIG_BYTES:
        raise damaged(path, f"has a `{name}` that is too large to be one", where)
    return archive.read(name).decode("utf-8")


def _check_weights(path: Path, archive: zipfile.ZipFile, where: Where | None) -> None:
    if "model.weights.h5" not in archive.namelist():
        raise damaged(
            path,
            "holds its weights in `model.weights.npz`, whose arrays may be pickled objects",
            where,
            hint="install h5py and save the model again: then Keras writes the weights as HDF5",
        )
    with archive.open("model.weights.h5") as weights:
        # A member that is read backwards is read from its start again, for every group in it.
        is_held = archive.getinfo("model.weights.h5").file_size <= _MOST_HELD_BYTES
        check_hdf5(path, io.BytesIO(weights.read()) if is_held else weights, where)


def _check_version(path: Path, version: Any, where: Where | None) -> None:
    installed = keras_version()
    try:
        written = int(str(version).split(".")[0])
    except ValueError:
        raise damaged(path, f"names no Keras version (it has {version!r})", where) from None
    if written > int(installed.split(".")[0]):
        raise damaged(
            path,
            f"was saved by Keras {version}; Keras {installed} is installed",
            where,
            hint="`pip install --upgrade keras`, or save the model with the older version",
        )


# --- descriptions ---------------------------------------------------------------------------------


def _text_of(path: Path, where: Where | None) -> str:
    if path.stat().st_size > _MOST_CONFIG_BYTES:
        raise damaged(path, "is too large to be a model's description", where)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, "is not text", where) from error


def _parsed(path: Path, text: str, where: Where | None) -> Any:
    if len(text) > _MOST_CONFIG_BYTES:
        raise damaged(path, "is too large to be a model's description", where)
    try:
        return parse_json(text)
    except JsonError as error:
        raise damaged(path, str(error), where) from error


def _described(path: Path, text: str, where: Where | None) -> Mapping[str, Any]:
    config = _parsed(path, text, where)
    if (
        not isinstance(config, Mapping)
        or not isinstance(config.get("class_name"), str)
        or not isinstance(config.get("config"), _forms_of(config["class_name"]))
    ):
        _refuse_keras_0(path, config, where)
        raise damaged(
            path,
            "is valid JSON but does not describe a Keras model: `class_name` and `config` are "
            "missing",
            where,
            hint="write it with `model.to_json()`",
        )
    return config


def _forms_of(class_name: str) -> tuple[type, ...]:
    """Return the types that the `config` of a class may have.

    Keras before 2.2.3 wrote a Sequential model as the list of its layers.
    """
    return (Mapping, list) if class_name == "Sequential" else (Mapping,)


def _refuse_keras_0(path: Path, config: Any, where: Where | None) -> None:
    """Refuse a description of Keras 0, which calls the class `name` and has no `config`."""
    if not isinstance(config, Mapping) or config.get("name") not in ("Sequential", "Graph"):
        return
    if isinstance(config.get("layers", config.get("nodes")), (list, Mapping)):
        raise damaged(
            path,
            "describes a model in the form of Keras 0, from before April 2016, which is no "
            "longer supported",
            where,
            hint="build the same model in a function that you name under `python:`",
        )
