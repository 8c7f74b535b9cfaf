"""Exported files, before any of them is loaded: their runtimes, sizes and permissions."""

from __future__ import annotations

from pathlib import Path

from layerlens.byte_size import readable
from layerlens.errors import ModelFileError, UnsafeCodeError
from layerlens.fault_codes import Code
from layerlens.models.external.damaged_file import damaged
from layerlens.models.external.saved_model_folder import folder_problem
from layerlens.models.runtimes.kinds import SAVED_MODEL, RuntimeKind, kind_of
from layerlens.scenario.spec import ModelSpec

#: The largest file; the formats number their bytes with 31 bits.
LARGEST_FILE = 2**31 - 1


def is_exported_spec(spec: ModelSpec) -> bool:
    """Return whether another runtime runs the model, by the suffix of its file."""
    return spec.form == "file" and kind_of(spec.file) is not None


def runtime_of(spec: ModelSpec) -> RuntimeKind:
    """Return the runtime of an exported file."""
    kind = kind_of(spec.file)
    assert kind is not None  # that is what `is_exported_spec` says
    return kind


def again(kind: RuntimeKind) -> str:
    """Return what to do about a damaged file or folder."""
    return "export the model again" if kind.suffix else "export it again, or copy the whole folder"


def refuse_unrunnable(spec: ModelSpec, *, allow_code: bool) -> None:
    """Refuse a file that must not run, whose runtime is not installed, or which is too large.

    Raises:
        UnsafeCodeError: the file may hold any TensorFlow operation, and `allow_code` is false.
        ModelFileError: the runtime or the file is missing, or the file is too large, or files are
            missing in the folder.
    """
    kind, path = runtime_of(spec), Path(str(spec.file))
    if kind.runs_code and not allow_code:
        raise UnsafeCodeError(
            f"model `{spec.name}` is a {kind.name}, whose operations may read and write files",
            spec.where,
            hint="if you trust it, allow it with `--allow-code`",
        )
    if kind.missing:
        raise ModelFileError(
            f"{path.name} needs {kind.name}, and {' and '.join(kind.missing)} "
            f"{'is' if len(kind.missing) == 1 else 'are'} not installed",
            spec.where,
            hint=f"pip install 'layerlens[{kind.extra}]'" if kind.extra else None,
            code=Code.NOT_INSTALLED,
        )
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelFileError(
            f"{path.name} cannot be read: {error.strerror}", spec.where, code=Code.UNREADABLE_FILE
        ) from None
    if kind.suffix is not None and not path.is_file():
        raise ModelFileError(f"{path.name} is not a file", spec.where, code=Code.UNREADABLE_FILE)
    if kind is SAVED_MODEL and (problem := folder_problem(path)) is not None:
        raise damaged(path, f"is damaged: {problem}", spec.where, again(kind))
    if size > LARGEST_FILE:
        raise ModelFileError(
            f"{path.name} has {readable(size)}; {kind.name} reads at most {readable(LARGEST_FILE)}",
            spec.where,
        )
