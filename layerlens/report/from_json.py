"""Read a report from JSON into the record it was written from."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from layerlens import vocabulary
from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.plain.json import DEEPEST, JsonError, parse_json
from layerlens.plain.numbers import MOST_DIGITS, count_number
from layerlens.report import diffs, layers, maps, pairs, run, training
from layerlens.report.consistency import inconsistencies
from layerlens.report.pairs import Counterexample
from layerlens.report.run import SCHEMA_VERSION, RunRecord, ScenarioReport, joint_status

_NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
#: The longest report; ten thousand scenarios take about half of this.
_MOST_CHARACTERS = 500_000_000
#: The greatest count; arithmetic on greater ones would fail.
_LARGEST = 10**MOST_DIGITS
#: The characters of an invalid value that a message quotes.
_LONGEST_SHOWN = 200
#: Each nested layer takes three levels: a list, a row and its arguments.
_DEEPEST = 3 * DEEPEST
#: Fields of type Any that are a shape, several shapes, or None.
_SHAPES = frozenset({"input_shape", "output_shape"})


def read_report(path: str) -> RunRecord:
    """Return the report in a JSON file, or on standard input if the path is "-".

    Raises:
        UsageError: it cannot be read or is not a report.
    """
    try:
        data = _parsed(_text_of(path))
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror or error}", code=Code.NOT_A_REPORT
        ) from error
    except JsonError as error:
        raise UsageError(f"{path} {error}", code=Code.NOT_A_REPORT) from error
    except ValueError as error:  # a path with a null character, or bytes that are not UTF-8
        raise UsageError(f"cannot read {path}: {error}", code=Code.NOT_A_REPORT) from error
    return report_from_dict(data)


def _parsed(text: str) -> Any:
    return parse_json(text, whole=count_number, deepest=_DEEPEST)


def _text_of(path: str) -> str:
    with nullcontext(sys.stdin) if path == "-" else Path(path).open(encoding="utf-8") as stream:
        text = stream.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:  # /dev/zero never ends
        raise UsageError(
            f"{path} is larger than any report: more than {_MOST_CHARACTERS:,} bytes",
            code=Code.NOT_A_REPORT,
        )
    return text


def is_report(path: str) -> bool:
    """Return whether a path is a JSON report, and not another file such as a saved model."""
    if Path(path).suffix.lower() != ".json":
        return False
    try:
        data = _parsed(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # reading it as another kind of file reports the fault
    return isinstance(data, Mapping) and {"schema", "scenarios"} <= set(data)


def report_from_dict(data: Mapping[str, Any]) -> RunRecord:
    """Return the report whose `to_dict` is `data`; fields added by later versions are ignored.

    Raises:
        UsageError: `data` is not a report of schema version 1.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA_VERSION:
        found = data.get("schema") if isinstance(data, Mapping) else type(data).__name__
        raise UsageError(
            f"not a layerlens report: expected schema {SCHEMA_VERSION}, received {found!r}",
            hint="write one with `layerlens compare ... --format json`",
            code=Code.NOT_A_REPORT,
        )
    decoded: RunRecord = _decode(RunRecord, data, "report")
    return decoded


def scenario_from_dict(data: Mapping[str, Any]) -> ScenarioReport:
    """Return the scenario's report whose `to_dict` is `data`.

    Raises:
        UsageError: `data` is not a scenario's report.
    """
    decoded: ScenarioReport = _decode(ScenarioReport, data, "scenario")
    return decoded


def read_model_report(data: Any) -> layers.ModelReport:
    """Return the model's report whose `to_plain` is `data`, with shapes as tuples.

    Raises:
        ValueError: `data` is not a model's report.
    """
    decoded: layers.ModelReport = decode_rows(layers.ModelReport, data, "model")
    return replace(
        decoded,
        output_shape=_as_tuples(decoded.output_shape),
        input_shape=_as_tuples(decoded.input_shape),
        layers=tuple(map(_with_shapes, decoded.layers)),
    )


def _with_shapes(row: layers.LayerRow) -> layers.LayerRow:
    return replace(
        row,
        input_shape=_as_tuples(row.input_shape),
        output_shape=_as_tuples(row.output_shape),
        holds=tuple(map(_with_shapes, row.holds)),
    )


def _as_tuples(shape: Any) -> Any:
    return tuple(map(_as_tuples, shape)) if isinstance(shape, list) else shape


def _decode(kind: Hashable, data: Any, root: str) -> Any:
    try:
        return decode_rows(kind, data, root)
    except ValueError as error:
        raise UsageError(f"not a layerlens report: {error}", code=Code.NOT_A_REPORT) from None


def decode_rows(kind: Hashable, data: Any, root: str) -> Any:
    """Return the dataclass, or tuples or mappings of them, whose `to_plain` is `data`.

    Raises:
        ValueError: `data` does not fit; the message begins with `root` and the path to the place.
    """
    try:
        return _decoder(kind)(data)
    except _InvalidError as error:
        raise ValueError(f"{root}{''.join(reversed(error.trail))} {error.message}") from None
    except RecursionError:
        raise ValueError(f"{root} is nested too deep") from None


class _InvalidError(Exception):
    """A value does not fit its field; `trail` is the path to it, innermost step first."""

    def __init__(self, message: str, *trail: str) -> None:
        super().__init__(message)
        self.message = message
        self.trail = list(trail)


#: Converts plain data to a value of one type. There is one for each type, built once: a report of a
#: hundred scenarios has ten thousand dataclasses.
_Decoder = Callable[[Any], Any]


@cache
def _decoder(kind: Hashable) -> _Decoder:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_decoder(kind)
    if origin in (Union, types.UnionType):
        (kind,) = (argument for argument in arguments if argument is not types.NoneType)
        decode = _decoder(kind)
        return lambda value: None if value is None else decode(value)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is Literal:
        return _literal_decoder(arguments)
    if origin is dict:
        return _mapping_decoder(arguments)
    if kind is Any:
        return _as_plain
    if kind is float:
        return _as_float
    if kind is int:
        return _as_whole
    return lambda value: _checked(kind, value)


def _checked(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise _InvalidError(f"is {_shown(value)}, expected {getattr(kind, '__name__', kind)}")
    return value


def _literal_decoder(allowed: tuple[Any, ...]) -> _Decoder:
    def decode(value: Any) -> Any:
        if not isinstance(value, str) or value not in allowed:
            raise _InvalidError(
                f"is {_shown(value)}, expected one of {', '.join(map(repr, allowed))}"
            )
        return value

    return decode


def _as_whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        raise _InvalidError(f"is {_shown(value)}, expected int")
    return value


def _as_plain(value: Any, depth: int = 0) -> Any:
    """Return a value as it is; raise _InvalidError unless JSON can represent it."""
    if depth > _DEEPEST:
        raise _InvalidError(f"is nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return value
    if isinstance(value, list):
        return [_as_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_checked(str, key): _as_plain(item, depth + 1) for key, item in value.items()}
    raise _InvalidError(f"is {_shown(value)}, expected plain data")


def _mapping_decoder(arguments: tuple[Any, ...]) -> _Decoder:
    key_type, item_type = arguments
    decode = _decoder(item_type)
    return lambda value: {
        _checked(key_type, key): decode(item) for key, item in _checked(dict, value).items()
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
        raise _InvalidError(f"is {_shown(value)}, expected float")
    try:
        return float(value)
    except OverflowError:
        raise _InvalidError("is an integer beyond the range of a float") from None


def _tuple_decoder(arguments: tuple[Any, ...]) -> _Decoder:
    is_variadic = len(arguments) == 2 and arguments[1] is Ellipsis
    item_decoder = _decoder(arguments[0]) if is_variadic else None
    decoders_by_position = [] if is_variadic else [_decoder(argument) for argument in arguments]

    def decode(value: Any) -> tuple[Any, ...]:
        items = _checked((list, tuple), value)
        if item_decoder is None and len(items) != len(decoders_by_position):
            raise _InvalidError(f"is {_shown(value)}, expected {len(decoders_by_position)} items")
        found = []
        try:
            for position, item in enumerate(items):
                found.append(
                    item_decoder(item)
                    if item_decoder is not None
                    else decoders_by_position[position](item)
                )
        except _InvalidError as error:
            error.trail.append(f"[{len(found)}]")
            raise
        return tuple(found)

    return decode


def _dataclass_decoder(kind: type[Any]) -> _Decoder:
    hints = get_type_hints(kind, localns=row_types())
    required = {
        item.name
        for item in fields(kind)
        if item.default is MISSING and item.default_factory is MISSING
    }
    decoders: dict[str, _Decoder] = {}  # filled at the first use: a layer contains layers

    def decode(value: Any) -> Any:
        found = decode_fields(value)
        if isinstance(found, ScenarioReport) and (error := next(inconsistencies(found), None)):
            raise _InvalidError(error)
        return found

    def decode_fields(value: Any) -> Any:
        row = _checked(Mapping, value)
        if kind is ScenarioReport:
            row = _with_models_as_rows(row)
        if not decoders:
            decoders.update((name, _field_decoder(kind, name, hints)) for name in hints)
        found: dict[str, Any] = {}
        name = ""
        try:
            for name, decode_field in decoders.items():
                if name in row:
                    found[name] = decode_field(row[name])
                elif name in required:
                    raise _InvalidError("is missing")
        except _InvalidError as error:
            error.trail.append(f".{name}")
            raise
        return _with_status(kind(**found))

    return decode


def _with_status(row: Any) -> Any:
    """Return a row; a `pass` of earlier versions that nothing was expected for is `unchecked`."""
    match row:
        case ScenarioReport(status="pass", expectations=()):
            return replace(row, status="unchecked")
        case RunRecord(status="pass", scenarios=scenarios):
            return replace(row, status=joint_status(one.status for one in scenarios))
    return row


def _field_decoder(kind: type[Any], name: str, hints: Mapping[str, Any]) -> _Decoder:
    if name in _SHAPES:
        return _as_shape
    if kind is Counterexample and hints[name] is Any:
        return _as_numbers
    return _decoder(hints[name])


def _with_models_as_rows(row: Mapping[str, Any]) -> Mapping[str, Any]:
    models = row.get("models", {})
    if not isinstance(models, Mapping):
        raise _InvalidError(f"is {_shown(models)}, expected Mapping", ".models")
    return {
        **row,
        "models": [{**_checked(Mapping, model), "name": name} for name, model in models.items()],
    }


def _as_shape(value: Any) -> Any:
    """Return one shape, or several in a list or by name, as tuples."""
    value = _as_plain(value)
    if isinstance(value, dict):
        return {name: _as_shape(item) for name, item in value.items()}
    return tuple(map(_as_shape, value)) if isinstance(value, list) else value


def _as_numbers(value: Any) -> Any:
    """Return values of an input or output, with NaN and infinities as floats."""
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
    """Return name → type for every type that annotations of a report may name."""
    modules = (vocabulary, diffs, layers, maps, pairs, run, training)
    return {name: value for module in modules for name, value in vars(module).items()}
