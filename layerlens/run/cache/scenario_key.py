"""The cache's key of a scenario: the same for every spelling of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from layerlens.scenario.allowed_classes import CODE_LAYERS
from layerlens.scenario.spec import LayerSpec, ModelSpec, Scenario

#: Where something is written, what it is called and what is hoped for do not change what comes out.
_SPELLING = frozenset({"where", "places", "path", "title", "question", "cell", "expect"})
#: Keywords and names: their order means nothing. Elsewhere order is kept.
_UNORDERED = frozenset({"arguments", "args", "weights", "targets"})
#: Reading a larger file costs more than building its model.
_LARGEST_FILE = 256 * 1024**2


class NotKeyableError(Exception):
    """The result depends on something that no key can hold, such as a user's code."""


def meaning_of(scenario: Scenario, *, allow_code: bool) -> bytes:
    """Return all that the scenario's models, pairs and training follow from, as bytes.

    Raises NotKeyableError where they depend on code from outside layerlens and Keras, or on an
    object of this process.
    """
    described = _described(scenario, allow_code)
    return json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def files_of(scenario: Scenario, *, allow_code: bool) -> dict[str, str | None]:
    """Return every file that the scenario may read, and the digest of its content."""
    return {path: digest_of(path) for path in named_by(scenario, allow_code=allow_code)}


def named_by(scenario: Scenario, *, allow_code: bool) -> Iterator[str]:
    """Yield the paths of all files that the scenario may read: its saved models.

    With leave to run code, a text anywhere in the arguments of a layer may be the path of another.
    """
    for model in scenario.models:
        for text in _texts(model, allow_code):
            yield str(Path(text).absolute()) if len(text) < 4096 and "\0" not in text else text


def digest_of(path: str) -> str | None:
    """Return a digest of a file's content; None where there is no such file.

    Raises NotKeyableError where it is too large to be looked through.
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
    """Return the digest; time and size keep a file that is named often from being read as often."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _described(value: Any, allow_code: bool) -> Any:
    """Return the value as lists and scalars that JSON writes in one way only."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (ModelSpec, LayerSpec)):
        _refuse_code(value, allow_code)
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *_fields(value, allow_code)]
    if isinstance(value, Mapping):
        return ["mapping", *_items(value, allow_code)]
    if isinstance(value, (list, tuple)):
        return ["list", *(_described(item, allow_code) for item in value)]
    raise NotKeyableError(f"a value of type {type(value).__name__}")


def _fields(value: Any, allow_code: bool) -> Iterator[Any]:
    for item in fields(value):
        inner = getattr(value, item.name)
        if item.name in _SPELLING:
            continue
        if item.name in _UNORDERED and isinstance(inner, Mapping):
            inner = {name: inner[name] for name in sorted(inner)}
        if isinstance(value, ModelSpec) and item.name == "file" and inner is not None:
            # The name as well: Keras and the report may tell it.
            yield [item.name, Path(inner).name, digest_of(inner)]
        elif isinstance(value, LayerSpec) and item.name == "arguments":
            texts = _scalars(inner) if allow_code else ()
            named = [[text, digest] for text in texts if (digest := digest_of(text))]
            yield [item.name, _described(inner, allow_code), named]
        else:
            yield [item.name, _described(inner, allow_code)]


def _items(value: Mapping[Any, Any], allow_code: bool) -> Iterator[Any]:
    for name, item in value.items():
        yield [_described(name, allow_code), _described(item, allow_code)]


def _refuse_code(value: ModelSpec | LayerSpec, allow_code: bool) -> None:
    if isinstance(value, LayerSpec):
        if value.type in CODE_LAYERS:
            raise NotKeyableError(f"a {value.type} layer")
    elif value.form in ("python", "object") or value.given is not None:
        raise NotKeyableError(f"a model of the form {value.form!r}")
    elif value.form == "file" and allow_code:
        raise NotKeyableError("a saved model that may run code")


def _texts(model: ModelSpec, allow_code: bool) -> Iterator[str]:
    if model.file is not None:
        yield model.file
    if not allow_code:
        return
    for layer in (*model.layers, *(node.layer for node in model.nodes if node.layer)):
        yield from _scalars(layer.arguments)


def _scalars(value: Any) -> Iterator[str]:
    """Yield the texts of arguments, any of which may name a file; a list of words is none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _scalars(item)
    elif isinstance(value, LayerSpec):
        yield from _scalars(value.arguments)
    elif isinstance(value, tuple):
        for item in value:
            if isinstance(item, LayerSpec):
                yield from _scalars(item.arguments)
