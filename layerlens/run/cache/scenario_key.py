"""The part of the cache's key that describes a scenario, whatever its spelling."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from layerlens.scenario.allowed_classes import CODE_LAYERS
from layerlens.scenario.spec import LayerSpec, ModelSpec, Scenario, layer_specs

#: Fields that do not change the results: positions, names and expectations.
_SPELLING = frozenset({"where", "places", "path", "title", "question", "answer", "cell", "expect"})
#: Mappings in which the order has no meaning.
_UNORDERED = frozenset({"arguments", "args", "call", "shared_call", "weights", "targets"})
#: The largest file to digest: reading a larger one takes longer than building its model.
_LARGEST_FILE = 256 * 1024**2
#: The most files of an exported model that are looked at.
_MOST_PARTS = 1000


class NotKeyableError(Exception):
    """A result depends on something that no key can describe, such as the user's code."""


def meaning_of(scenario: Scenario, *, allow_code: bool) -> bytes:
    """Return all of a scenario that its results depend on, as bytes.

    Raises:
        NotKeyableError: they depend on code from outside layerlens and Keras, or on an object of
            this process.
    """
    canonical = _canonical(scenario, allow_code)
    return json.dumps(canonical, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def files_of(scenario: Scenario, *, allow_code: bool) -> dict[str, str | None]:
    """Return path → digest of the content for every file that the scenario may read."""
    return {path: digest_of(path) for path in paths_of(scenario, allow_code=allow_code)}


def paths_of(scenario: Scenario, *, allow_code: bool) -> Iterator[str]:
    """Yield the paths of all files that the scenario may read: its saved models.

    If code is allowed, any text in the arguments of a layer may be a path.
    """
    for model in scenario.models:
        for text in _possible_paths(model, allow_code):
            yield str(Path(text).absolute()) if len(text) < 4096 and "\0" not in text else text


def digest_of(path: str) -> str | None:
    """Return a digest of a file's content; None if there is no such file.

    Raises:
        NotKeyableError: the file is too large.
    """
    try:
        status = Path(path).stat()
        if not Path(path).is_file():
            return None
        if status.st_size > _LARGEST_FILE:
            raise NotKeyableError(f"{path} is large")
        return _content_digest(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def _content_digest(path: str, changed: int, size: int) -> str:
    """Return the digest; by time and size, a file named several times is read only once."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _canonical(value: Any, allow_code: bool) -> Any:
    """Return the value as lists and scalars, which have exactly one form in JSON."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (ModelSpec, LayerSpec)):
        _refuse_code(value, allow_code)
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *_fields(value, allow_code)]
    if isinstance(value, Mapping):
        return ["mapping", *_items(value, allow_code)]
    if isinstance(value, (list, tuple)):
        return ["list", *(_canonical(item, allow_code) for item in value)]
    raise NotKeyableError(f"a value of type {type(value).__name__}")


def _fields(value: Any, allow_code: bool) -> Iterator[Any]:
    for item in fields(value):
        field_value = getattr(value, item.name)
        if item.name in _SPELLING:
            continue
        if item.name in _UNORDERED and isinstance(field_value, Mapping):
            field_value = {name: field_value[name] for name in sorted(field_value)}
        if isinstance(value, ModelSpec) and item.name == "file" and field_value is not None:
            # The name as well, which messages of Keras and the report may contain.
            yield [item.name, Path(field_value).name, digest_of(field_value)]
        elif isinstance(value, LayerSpec) and item.name == "arguments":
            texts = _scalars(field_value) if allow_code else ()
            named = [[text, digest] for text in texts if (digest := digest_of(text))]
            yield [item.name, _canonical(field_value, allow_code), named]
        else:
            yield [item.name, _canonical(field_value, allow_code)]


def _items(value: Mapping[Any, Any], allow_code: bool) -> Iterator[Any]:
    for name, item in value.items():
        yield [_canonical(name, allow_code), _canonical(item, allow_code)]


def _refuse_code(value: ModelSpec | LayerSpec, allow_code: bool) -> None:
    if isinstance(value, LayerSpec):
        if value.type in CODE_LAYERS:
            raise NotKeyableError(f"a {value.type} layer")
    elif value.form in ("python", "object") or value.given is not None:
        raise NotKeyableError(f"a model of the form {value.form!r}")
    elif value.form == "file" and allow_code:
        raise NotKeyableError("a saved model that may run code")
    elif value.runtime is not None and value.runtime.python is not None:
        raise NotKeyableError("a model that another interpreter runs")
    elif value.form == "file" and _reads_others(Path(str(value.file))):
        raise NotKeyableError("a model whose weights are in other files")


def _reads_others(path: Path) -> bool:
    """Return whether an ONNX file may say that tensors are stored in other files.

    Each such tensor has an entry with the key `location`. Text in the file may contain it too; then
    the result is not kept, which costs time alone.
    """
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return False
    try:
        return b"location" in path.read_bytes() if path.stat().st_size <= _LARGEST_FILE else True
    except OSError:
        return False  # there is no such file


def _possible_paths(model: ModelSpec, allow_code: bool) -> Iterator[str]:
    layers = tuple(layer_specs(model))
    for one in (model, *(layer.model for layer in layers)):
        if one is not None and one.file is not None:
            yield one.file
            yield from _parts_of(Path(one.file))
    if allow_code:
        for layer in layers:
            yield from _scalars(layer.arguments)


def _parts_of(path: Path) -> Iterator[str]:
    """Yield the other files that an exported model may consist of."""
    try:
        folder = path if path.is_dir() else path.parent if _reads_others(path) else None
        if folder is not None:
            files = (one for one in folder.rglob("*") if one.is_file())
            yield from map(str, islice(files, _MOST_PARTS))
    except OSError:
        return


def _scalars(value: Any) -> Iterator[str]:
    """Yield the texts of arguments, each of which may be a path; texts in lists are not."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _scalars(item)
