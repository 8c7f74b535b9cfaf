"""Find scenario files under paths and read their text."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from layerlens.errors import Fault, ScenarioError, UsageError, Where
from layerlens.fault_codes import Code
from layerlens.files import os_reason, unreadable_path
from layerlens.plain.printable import one_line
from layerlens.plain.suggestion import nearest_name

#: The largest scenario file, in bytes; larger data belongs in saved models or generated inputs.
LARGEST_FILE = 4 * 1024 * 1024
SCENARIO_SUFFIXES = (".yaml", ".yml")
#: The suffixes of models that Keras saves, of those that other runtimes run, and of all models in
#: files: a recording is one too.
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5", ".json")
EXPORTED_SUFFIXES = (".onnx", ".tflite")
#: The files of which a SavedModel folder has one.
_IN_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
SAVED_SUFFIXES = (*KERAS_SUFFIXES, *EXPORTED_SUFFIXES, ".npz")

_KEYS = r"[\"']?(models|inputs?|expect)[\"']?\s*:"
_TOP_LEVEL_KEY = re.compile(f"^{_KEYS}", re.MULTILINE)
#: In a file that is one flow mapping, such as JSON: keys at any depth.
_FLOW_KEY = re.compile(r"(?:^\s*|[{,]\s*)" + _KEYS, re.MULTILINE)
_IN_FLOW = re.compile(r"\A(?:\s|#.*|---)*\{")
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def find_scenario_files(paths: Iterable[Path | str]) -> tuple[Path, ...]:
    """Return the scenario files among the paths and, sorted, in the folders among them.

    Each file is returned once. Of several paths, one at fault is returned as it is, so that the
    others can run: `read_scenarios` reports its fault.

    Raises:
        UsageError: the only path does not exist, cannot be read, or is a folder without scenarios.
    """
    given = [_named(path) for path in paths]
    found: dict[Path, None] = {}
    for path in given:
        try:
            found.update(dict.fromkeys(_files_at(path)))
        except UsageError:
            if len(given) == 1:
                raise
            found[path] = None
    return tuple(found)


def _named(path: Path | str) -> Path:
    if str(path) == "":  # an unset variable in a script; `Path("")` is the current folder
        raise UsageError(
            "an empty path was given", hint="`.` is the current folder", code=Code.NO_SUCH_PATH
        )
    return Path(path)


def _files_at(path: Path) -> list[Path]:
    if _kind(path) != "a folder":
        return [path]
    inside = sorted(_scenario_files(path))
    if not inside:
        raise UsageError(
            f"the folder {path} has no scenarios",
            Where(str(path)),
            "scenarios end in .yaml or .yml; `layerlens init PATH` writes one",
            code=Code.NO_SUCH_PATH,
        )
    return inside


def _kind(path: Path) -> str:
    """Return the kind of file at a path: "a file", "a folder" and so on."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            message = f"{path} is a link to {path.readlink()}, which does not exist"
            raise UsageError(message, Where(str(path)), code=Code.NO_SUCH_PATH) from None
        raise UsageError(
            f"there is no file or folder {path}",
            Where(str(path)),
            _neighbour(path),
            code=Code.NO_SUCH_PATH,
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read: {os_reason(error)}",
            Where(str(path)),
            code=Code.UNREADABLE_FILE,
        ) from None
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "a file")


def _scenario_files(folder: Path) -> Iterator[Path]:
    """Yield the scenario files in a folder and its subfolders; links are not followed."""

    def refuse(error: OSError) -> None:
        place = str(error.filename or folder)
        raise UsageError(
            f"the folder {place} cannot be read: {os_reason(error)}",
            Where(place),
            code=Code.UNREADABLE_FILE,
        )

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if name.endswith(SCENARIO_SUFFIXES):
                yield Path(parent, name)


def _neighbour(path: Path) -> str | None:
    try:
        stems = {item.stem: item for item in path.parent.iterdir()}
    except (OSError, ValueError):
        return None
    near = nearest_name(path.stem, stems, cutoff=0.75, match_case=True)
    return f"did you mean {path.parent / stems[near].name}?" if near is not None else None


def near_file(path: Path, suffixes: tuple[str, ...]) -> str | None:
    """Return a question with the file in the folder most like a missing one; None without any."""
    try:
        names = [item.name for item in path.parent.iterdir() if item.suffix in suffixes]
    except (OSError, ValueError):
        return None
    near = nearest_name(path.name, names)
    return f"did you mean `{near}`?" if near else None


@dataclass(frozen=True, slots=True)
class FileFault:
    """Why a path names no file of the kind that is needed, and what to do."""

    code: Code
    message: str
    hint: str | None = None
    #: Whether nothing is at the path.
    is_missing: bool = False


def file_fault(path: Path, shown: str, suffixes: tuple[str, ...]) -> FileFault | None:
    """Return why there is no file at a path; None if there is one. The file is not read.

    `shown` is the path as it was written; `suffixes` are those of a file to suggest instead.
    """
    if (reason := unreadable_path(path)) is not None:
        return FileFault(Code.UNREADABLE_FILE, f"{shown} cannot be read: {reason}")
    if not path.exists():
        if path.is_symlink():
            message = f"{shown} is a link to {path.readlink()}, which does not exist"
            return FileFault(Code.MISSING_FILE, message)
        return FileFault(
            Code.MISSING_FILE,
            f"there is no file {shown}",
            near_file(path, suffixes),
            is_missing=True,
        )
    return None if path.is_file() else FileFault(Code.UNREADABLE_FILE, f"{shown} is not a file")


def is_exported(file: str | None) -> bool:
    """Return whether another runtime runs a file, by its suffix, or a folder, by its content."""
    if file is None:
        return False
    return file.lower().endswith(EXPORTED_SUFFIXES) or _is_saved_model(Path(file))


def _is_saved_model(path: Path) -> bool:
    try:
        return any((path / name).is_file() for name in _IN_SAVED_MODEL)
    except (OSError, ValueError):
        return False


def folder_hint(path: Path) -> str | None:
    """Return where a SavedModel is that a folder may be meant for, or what it lacks."""
    try:
        inner = sorted(entry.name for entry in path.iterdir() if _is_saved_model(entry))
        has_variables = (path / "variables").is_dir()
    except (OSError, ValueError):
        return None
    if inner:
        more = f", and {len(inner) - 1} more" if inner[1:] else ""
        return f"the folder inside it is a SavedModel: {one_line(str(path / inner[0]))}{more}"
    if has_variables:
        return "it looks like a SavedModel without `saved_model.pb`: copy the whole folder"
    return None


def saved_file_fault(
    path: Path, shown: str, suffixes: tuple[str, ...] = SAVED_SUFFIXES
) -> FileFault | None:
    """Return why a path names no saved model; otherwise like `file_fault`."""
    if suffixes is SAVED_SUFFIXES and _is_saved_model(path):
        return None
    if path.suffix.lower() not in suffixes:
        message = f"{shown} is not the name of a saved model"
        folder = ", or are a SavedModel folder" if suffixes is SAVED_SUFFIXES else ""
        hint = folder_hint(path) if folder else None
        return FileFault(
            Code.NOT_A_MODEL_FILE, message, hint or f"they end in {', '.join(suffixes)}{folder}"
        )
    return file_fault(path, shown, suffixes)


def looks_like_scenario(path: Path | str) -> bool:
    """Return, without parsing it, whether a YAML file has a scenario's keys at its top level.

    Files of other tools may have `models:` as well; a scenario also has inputs or expectations.
    """
    path = Path(path)
    try:
        if path.suffix not in SCENARIO_SUFFIXES or not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as stream:
            head = stream.read(LARGEST_FILE)
    except (OSError, ValueError):
        return False
    text = head.decode(_encoding(head), errors="ignore")
    keys = set((_FLOW_KEY if _IN_FLOW.match(text) else _TOP_LEVEL_KEY).findall(text))
    return "models" in keys and len(keys) > 1


def read_text(path: Path | str) -> str:
    """Return the text of a scenario file.

    Raises:
        ScenarioError: it is missing, not a regular file, unreadable, too large or not text.
    """
    where = Where(str(path))
    path = Path(path)
    try:
        kind = _kind(path)
        if kind == "a folder":
            _files_at(path)
        if kind != "a file":
            raise _fault(
                Code.UNREADABLE_FILE, f"a scenario file is expected here; this is {kind}", where
            )
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise _fault(
                Code.NOT_TEXT,
                f"the file is {path.stat().st_size / 2**20:,.1f} MiB; a scenario has at most "
                f"{LARGEST_FILE // 2**20} MiB",
                where,
                "data this large belongs in a saved model or in generated inputs",
            )
    except UsageError as error:
        raise ScenarioError(error.faults) from None
    except OSError as error:
        raise _fault(
            Code.UNREADABLE_FILE, f"the file cannot be read: {os_reason(error)}", where
        ) from None
    return _decoded(data, where)


def _encoding(data: bytes) -> str:
    return next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")


def _decoded(data: bytes, where: Where) -> str:
    encoding = _encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise _fault(
            Code.NOT_TEXT,
            f"byte 0x{data[error.start]:02x} is not {encoding.removesuffix('-sig').upper()}",
            Where(where.file, line, column),
            "a scenario is a text file in UTF-8; is this a binary one?",
        ) from None


def _fault(code: Code, message: str, where: Where, hint: str | None = None) -> ScenarioError:
    return ScenarioError((Fault(code, message, where, hint),))
