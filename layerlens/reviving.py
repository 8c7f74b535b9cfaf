"""The plain data of a JSON report enters, the Report it was written from leaves."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from layerlens.errors import UsageError
from layerlens.report import SCHEMA_VERSION, Counterexample, Report, ScenarioReport

_NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
#: A report of ten thousand scenarios has about half of this.
_MOST_CHARACTERS = 500_000_000
#: Resolving the hints of a dataclass takes longer than reviving it.
_KNOWN_HINTS: dict[type[Any], dict[str, Any]] = {}
#: Untyped fields that hold a shape, several shapes, or None.
_SHAPES = frozenset({"input_shape", "output_shape"})


def read_report(path: str) -> Report:
    """Return the report in a JSON file, or on standard input where the path is "-".

    Raises UsageError where it cannot be read or is not a report.
    """
    try:
        data = json.loads(_text_of(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    return report_from_dict(data)


def _text_of(path: str) -> str:
    with nullcontext(sys.stdin) if path == "-" else Path(path).open(encoding="utf-8") as stream:
        text = stream.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:  # /dev/zero never ends
        raise UsageError(f"{path} is larger than any report: more than {_MOST_CHARACTERS:,} bytes")
    return text


def is_report(path: str) -> bool:
    """Tell a JSON report from whatever else is at the path, such as a model that Keras saved."""
    if Path(path).suffix.lower() != ".json":
        return False
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False  # whoever reads it next says what is wrong with it
    return isinstance(data, Mapping) and {"schema", "scenarios"} <= set(data)


def report_from_dict(data: Mapping[str, Any]) -> Report:
    """Return the report whose `to_dict` gave `data`; fields added by later versions are left out.

    Raises UsageError where `data` is not a report of schema version 1.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA_VERSION:
        found = data.get("schema") if isinstance(data, Mapping) else type(data).__name__
        raise UsageError(
            f"not a layerlens report: expected schema {SCHEMA_VERSION}, received {found!r}",
            hint="write one with `layerlens compare ... --format json`",
        )
    revived: Report = _revive(Report, data, "report")
    return revived


def scenario_from_dict(data: Mapping[str, Any]) -> ScenarioReport:
    """Return the scenario's report whose `to_dict` gave `data`.

    Raises UsageError where `data` is none.
    """
    revived: ScenarioReport = _revive(ScenarioReport, data, "scenario")
    return revived


def _revive(kind: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _revive_dataclass(kind, value, path)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (argument for argument in arguments if argument is not types.NoneType)
        return _revive(kind, value, path)
    if origin is tuple:
        return _revive_tuple(arguments, value, path)
    if origin is Literal or kind is Any or origin is dict:
        return value
    if kind is float and isinstance(value, str):
        value = _NOT_FINITE.get(value, value)
    return _checked(kind, value, path)


def _checked(kind: Any, value: Any, path: str) -> Any:
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed):
        raise UsageError(
            f"not a layerlens report: {path} is {value!r}, "
            f"expected {getattr(kind, '__name__', kind)}"
        )
    return float(value) if kind is float else value


def _revive_tuple(arguments: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    items = _checked((list, tuple), value, path)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        kinds = (arguments[0],) * len(items)
    else:
        kinds = arguments
    return tuple(
        _revive(kind, item, f"{path}[{position}]")
        for position, (kind, item) in enumerate(zip(kinds, items, strict=True))
    )


def _revive_dataclass(kind: type[Any], value: Any, path: str) -> Any:
    row = dict(_checked(Mapping, value, path))
    if kind is ScenarioReport:
        models = _checked(Mapping, row.get("models", {}), f"{path}.models")
        row["models"] = [{"name": name, **model} for name, model in models.items()]
    hints = _hints(kind)
    found = {}
    for item in fields(kind):
        if item.name not in row:
            if item.default is MISSING and item.default_factory is MISSING:
                raise UsageError(f"not a layerlens report: {path}.{item.name} is missing")
            continue
        inner = f"{path}.{item.name}"
        if item.name in _SHAPES:
            found[item.name] = _as_shape(row[item.name])
        elif kind is Counterexample and hints[item.name] is Any:
            found[item.name] = _as_numbers(row[item.name])
        else:
            found[item.name] = _revive(hints[item.name], row[item.name], inner)
    return kind(**found)


def _hints(kind: type[Any]) -> dict[str, Any]:
    if kind not in _KNOWN_HINTS:
        _KNOWN_HINTS[kind] = get_type_hints(kind)
    return _KNOWN_HINTS[kind]


def _as_shape(value: Any) -> Any:
    return tuple(_as_shape(item) for item in value) if isinstance(value, list) else value


def _as_numbers(value: Any) -> Any:
    """Return values of an input or output with NaN and infinities as numbers again."""
    match value:
        case list():
            return [_as_numbers(item) for item in value]
        case dict():
            return {key: _as_numbers(item) for key, item in value.items()}
        case str():
            return _NOT_FINITE.get(value, value)
    return value
