"""Read the JSON of a report back into the record it was written from."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from layerlens import vocabulary
from layerlens.errors import UsageError
from layerlens.plain.json import DEEPEST, JsonError, parse_json
from layerlens.plain.numbers import MOST_DIGITS, count_number
from layerlens.report import diffs, layers, maps, pairs, run, training
from layerlens.report.consistency import inconsistencies
from layerlens.report.pairs import Counterexample
from layerlens.report.run import SCHEMA_VERSION, RunRecord, ScenarioReport

_NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
#: A report of ten thousand scenarios has about half of this.
_MOST_CHARACTERS = 500_000_000
#: No count of anything is greater; beyond it, arithmetic on counts would fail.
_LARGEST = 10**MOST_DIGITS
#: So much of a wrong value is told.
_LONGEST_SHOWN = 200
#: A report holds for each layer within others a list, a row and its arguments.
_DEEPEST = 3 * DEEPEST
#: Untyped fields that hold a shape, several shapes, or None.
_SHAPES = frozenset({"input_shape", "output_shape"})


def read_report(path: str) -> RunRecord:
    """Return the report in a JSON file, or on standard input where the path is "-".

    Raises UsageError where it cannot be read or is not a report.
    """
    try:
        data = _parsed(_text_of(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except JsonError as error:
        raise UsageError(f"{path} {error}") from error
    except ValueError as error:  # a path with a null character, or bytes that are not UTF-8
        raise UsageError(f"cannot read {path}: {error}") from error
    return report_from_dict(data)


def _parsed(text: str) -> Any:
    return parse_json(text, whole=count_number, deepest=_DEEPEST)


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
        data = _parsed(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # whoever reads it next says what is wrong with it
    return isinstance(data, Mapping) and {"schema", "scenarios"} <= set(data)


def report_from_dict(data: Mapping[str, Any]) -> RunRecord:
    """Return the report whose `to_dict` gave `data`; fields added by later versions are left out.

    Raises UsageError where `data` is not a report of schema version 1.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA_VERSION:
        found = data.get("schema") if isinstance(data, Mapping) else type(data).__name__
        raise UsageError(
            f"not a layerlens report: expected schema {SCHEMA_VERSION}, received {found!r}",
            hint="write one with `layerlens compare ... --format json`",
        )
    revived: RunRecord = _revive(RunRecord, data, "report")
    return revived


def scenario_from_dict(data: Mapping[str, Any]) -> ScenarioReport:
    """Return the scenario's report whose `to_dict` gave `data`.

    Raises UsageError where `data` is none.
    """
    revived: ScenarioReport = _revive(ScenarioReport, data, "scenario")
    return revived


def _revive(kind: Hashable, data: Any, root: str) -> Any:
    try:
        return _reviver(kind)(data)
    except _Wrong as wrong:
        raise UsageError(
            f"not a layerlens report: {root}{''.join(reversed(wrong.trail))} {wrong.what}"
        ) from None
    except RecursionError:
        raise UsageError(f"not a layerlens report: {root} is nested too deep") from None


class _Wrong(Exception):  # noqa: N818 - it never leaves this room
    """A value is not what its field holds; the trail leads to it, from the inside out."""

    def __init__(self, what: str, *trail: str) -> None:
        super().__init__(what)
        self.what = what
        self.trail = list(trail)


#: Takes plain data, returns what it was written from. One is made for each type, once: a report
#: of a hundred scenarios holds ten thousand dataclasses.
_Reviver = Callable[[Any], Any]


@cache
def _reviver(kind: Hashable) -> _Reviver:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_reviver(kind)
    if origin in (Union, types.UnionType):
        (kind,) = (argument for argument in arguments if argument is not types.NoneType)
        revive = _reviver(kind)
        return lambda value: None if value is None else revive(value)
    if origin is tuple:
        return _tuple_reviver(arguments)
    if origin is Literal:
        return _one_of(arguments)
    if origin is dict:
        return _mapping_reviver(arguments)
    if kind is Any:
        return _as_plain
    if kind is float:
        return _as_float
    if kind is int:
        return _as_whole
    return lambda value: _checked(kind, value)


def _checked(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise _Wrong(f"is {_shown(value)}, expected {getattr(kind, '__name__', kind)}")
    return value


def _one_of(allowed: tuple[Any, ...]) -> _Reviver:
    def revive(value: Any) -> Any:
        if not isinstance(value, str) or value not in allowed:
            raise _Wrong(f"is {_shown(value)}, expected one of {', '.join(map(repr, allowed))}")
        return value

    return revive


def _as_whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        raise _Wrong(f"is {_shown(value)}, expected int")
    return value


def _as_plain(value: Any, depth: int = 0) -> Any:
    """Return a value that JSON can hold, as it is."""
    if depth > _DEEPEST:
        raise _Wrong(f"is nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return value
    if isinstance(value, list):
        return [_as_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_checked(str, key): _as_plain(item, depth + 1) for key, item in value.items()}
    raise _Wrong(f"is {_shown(value)}, expected plain data")


def _mapping_reviver(arguments: tuple[Any, ...]) -> _Reviver:
    key_type, item_type = arguments
    revive = _reviver(item_type)
    return lambda value: {
        _checked(key_type, key): revive(item) for key, item in _checked(dict, value).items()
    }


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _as_float(value: Any) -> float:
    if type(value) is float:
        return value
    if isinstance(value, str):
        value = _NOT_FINITE.get(value, value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _Wrong(f"is {_shown(value)}, expected float")
    try:
        return float(value)
    except OverflowError:
        raise _Wrong("is an integer beyond the range of a float") from None


def _tuple_reviver(arguments: tuple[Any, ...]) -> _Reviver:
    many = len(arguments) == 2 and arguments[1] is Ellipsis
    each = _reviver(arguments[0]) if many else None
    some = [] if many else [_reviver(argument) for argument in arguments]

    def revive(value: Any) -> tuple[Any, ...]:
        items = _checked((list, tuple), value)
        if each is None and len(items) != len(some):
            raise _Wrong(f"is {_shown(value)}, expected {len(some)} items")
        found = []
        try:
            for position, item in enumerate(items):
                found.append(each(item) if each is not None else some[position](item))
        except _Wrong as wrong:
            wrong.trail.append(f"[{len(found)}]")
            raise
        return tuple(found)

    return revive


def _dataclass_reviver(kind: type[Any]) -> _Reviver:
    hints = get_type_hints(kind, localns=row_types())
    needed = {
        item.name
        for item in fields(kind)
        if item.default is MISSING and item.default_factory is MISSING
    }
    revivers: dict[str, _Reviver] = {}  # made with the first one: a layer holds layers

    def revive(value: Any) -> Any:
        found = revive_fields(value)
        if isinstance(found, ScenarioReport) and (wrong := next(inconsistencies(found), None)):
            raise _Wrong(wrong)
        return found

    def revive_fields(value: Any) -> Any:
        row = _checked(Mapping, value)
        if kind is ScenarioReport:
            row = _with_models_as_rows(row)
        if not revivers:
            revivers.update((name, _field_reviver(kind, name, hints)) for name in hints)
        found: dict[str, Any] = {}
        name = ""
        try:
            for name, revive_field in revivers.items():
                if name in row:
                    found[name] = revive_field(row[name])
                elif name in needed:
                    raise _Wrong("is missing")
        except _Wrong as wrong:
            wrong.trail.append(f".{name}")
            raise
        return kind(**found)

    return revive


def _field_reviver(kind: type[Any], name: str, hints: Mapping[str, Any]) -> _Reviver:
    if name in _SHAPES:
        return _as_shape
    if kind is Counterexample and hints[name] is Any:
        return _as_numbers
    return _reviver(hints[name])


def _with_models_as_rows(row: Mapping[str, Any]) -> Mapping[str, Any]:
    models = row.get("models", {})
    if not isinstance(models, Mapping):
        raise _Wrong(f"is {_shown(models)}, expected Mapping", ".models")
    return {
        **row,
        "models": [{**_checked(Mapping, model), "name": name} for name, model in models.items()],
    }


def _as_shape(value: Any) -> Any:
    """Return a shape, or several in a list or by name, with tuples for lists."""
    value = _as_plain(value)
    if isinstance(value, dict):
        return {name: _as_shape(item) for name, item in value.items()}
    return tuple(map(_as_shape, value)) if isinstance(value, list) else value


def _as_numbers(value: Any) -> Any:
    """Return values of an input or output with NaN and infinities as numbers again."""
    return _with_not_finite(_as_plain(value))


def _with_not_finite(value: Any) -> Any:
    match value:
        case list():
            return [_with_not_finite(item) for item in value]
        case dict():
            return {key: _with_not_finite(item) for key, item in value.items()}
        case str():
            return _NOT_FINITE.get(value, value)
    return value


def row_types() -> dict[str, Any]:
    """Return every type that a field of a report may name, by its name."""
    modules = (vocabulary, diffs, layers, maps, pairs, run, training)
    return {name: value for module in modules for name, value in vars(module).items()}
