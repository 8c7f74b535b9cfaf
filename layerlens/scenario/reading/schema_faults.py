"""Turn pydantic's validation errors into faults in the words of the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from layerlens.fault_codes import Code
from layerlens.plain.suggestion import nearest_name
from layerlens.scenario.faults import Faults, suggestion
from layerlens.scenario.yaml.positions import Loc, described, locate
from layerlens.scenario.yaml.python_syntax import dtype_name, python_value

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_TAKES = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}
_MODEL_FORMS = "write its layers as a list below it, or `graph:`, `file:` or `python:`"
#: What to write where a key is missing.
_MISSING = {
    "models": "write two or more below it, each a name and its layers as a list",
    "rtol": "give `rtol` and `atol` together, or remove `tolerance`",
    "atol": "give `rtol` and `atol` together, or remove `tolerance`",
    "loss": "name one of Keras', such as `loss: mean_squared_error`",
    "shape": "write the shape of one sample, such as `shape: [8]`",
}
#: What a value is → whether a value of Python is one.
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "an integer": lambda value: value is None or type(value) is int,
    "a number": lambda value: value is None or type(value) in (int, float),
    "a finite number": lambda value: value is None or type(value) in (int, float),
    "true or false": lambda value: isinstance(value, bool),
    "a list": lambda value: isinstance(value, (list, tuple)),
}
_VARIABLE = "`null` is a variable length"
_UNKNOWN_KEY = frozenset({"extra_forbidden", "invalid_key"})
_QUOTED = re.compile(r"'([^']*)'")


def add_schema_faults(errors: list[ErrorDetails], data: Any, faults: Faults) -> None:
    """Add one fault for each error but those of unknown keys, which `Part` adds."""
    unknown = {error["loc"] for error in errors if error["type"] in _UNKNOWN_KEY}
    for error in errors:
        loc = error["loc"]
        if error["type"] in _UNKNOWN_KEY:
            continue
        unknown_keys = [str(other[-1]) for other in unknown if other[:-1] == loc[:-1]]
        if error["type"] == "missing" and nearest_name(str(loc[-1]), unknown_keys):
            continue  # the key is given, but misspelt
        _add(error, data, faults)


def _add(error: ErrorDetails, data: Any, faults: Faults) -> None:
    loc, received = error["loc"], error["input"]
    at = locate(data, loc)
    hint: str | None
    context = error.get("ctx", {})
    name = _name(loc)
    if error["type"] == "model_type" and loc[:1] == ("models",) and len(loc) == 2:
        message = f"the model {name} is a list of layers or a mapping"
        faults.add(Code.WRONG_TYPE, f"{message}; received {described(received)}", at, _MODEL_FORMS)
        return
    match error["type"]:
        case "missing":
            inside = _name(loc[:-1])
            of = f" of {inside}" if len(loc) > 1 else ""
            faults.add(
                Code.MISSING_KEY, f"`{loc[-1]}`{of} is missing", at, _MISSING.get(str(loc[-1]))
            )
        case "literal_error":
            allowed = _QUOTED.findall(str(context["expected"]))
            hint = _choice_hint(loc, received, tuple(allowed))
            faults.add(Code.UNKNOWN_VALUE, f"{name} does not take {described(received)}", at, hint)
        case "greater_than_equal":
            least = f"{context['ge']:g}"
            hint = _VARIABLE if _is_length(loc) else None
            faults.add(
                Code.OUT_OF_RANGE,
                f"{name} has to be at least {least}; received {received}",
                at,
                hint,
            )
        case "less_than_equal":
            faults.add(
                Code.OUT_OF_RANGE,
                f"{name} can be at most {context['le']:,}; received {described(received)}",
                at,
            )
        case "too_long":
            most = context["max_length"]
            faults.add(
                Code.OUT_OF_RANGE,
                f"{name} has at most {most} entries; received {described(received)}",
                at,
            )
        case "too_short" | "string_too_short":
            faults.add(
                Code.OUT_OF_RANGE,
                f"{name} is empty",
                at,
                "give it at least one entry, or remove it",
            )
        case kind if kind in _TAKES:
            hint = _type_hint(loc, received, _TAKES[kind])
            faults.add(
                Code.WRONG_TYPE,
                f"{name} takes {_TAKES[kind]}; received {described(received)}",
                at,
                hint,
            )
        case _:
            faults.add(
                Code.WRONG_TYPE, f"{name}: {error['msg']}; received {described(received)}", at
            )


def _nothing(value: Any) -> bool:
    return False


def _name(loc: Loc) -> str:
    """Return the subject of a fault: a key in backticks, or the item of a list under it."""
    if not loc:
        return "a scenario"
    if isinstance(loc[-1], int):
        return f"item {loc[-1] + 1} of {_name(loc[:-1])}"
    return f"`{loc[-1]}`"


def _choice_hint(loc: Loc, received: Any, allowed: tuple[str, ...]) -> str:
    """Return what to write in place of a value that is not one of those allowed."""
    if not isinstance(received, str):
        return f"allowed: {', '.join(allowed)}"
    if received in ("None", "none") and loc[-1:] == ("dtype",):
        return "leave it out, or write `dtype: float32`"
    if loc[-1:] == ("dtype",) and (keras := dtype_name(received, allowed)) is not None:
        return f"did you mean `{keras}`?"
    return suggestion(received, allowed)


def _is_length(loc: Loc) -> bool:
    return loc[-2:-1] == ("shape",) and isinstance(loc[-1], int)


def _type_hint(loc: Loc, received: Any, expected: str) -> str | None:
    last = loc[-1] if loc else None
    if (in_yaml := python_value(received, _CHECKS.get(expected, _nothing))) is not None:
        quoted = ", without quotes" if in_yaml == received.strip() else ""
        name = f"{last}: " if isinstance(last, str) else ""
        return f"write `{name}{in_yaml}`{quoted}"
    if _is_length(loc):
        return _VARIABLE
    if isinstance(received, list) and (last == "input" or loc[-2:-1] == ("inputs",)):
        listed = ", ".join("null" if item is None else str(item) for item in received)
        return f"write `{last}: {{shape: [{listed}]}}`"
    if last == "shape" and isinstance(received, int):
        return f"write `shape: [{received}]`"
    if last == "inputs" and isinstance(received, list):
        return "write a name and a shape for each, such as `inputs: {left: {shape: [8]}}`"
    if expected == "an integer" and isinstance(received, float) and received.is_integer():
        return f"write `{last}: {int(received)}`" if isinstance(last, str) else f"{int(received)}"
    if isinstance(received, str) and received.lower() in ("yes", "no", "on", "off"):
        return "YAML 1.2 accepts only true and false"
    if expected == "text" and isinstance(received, (int, float)):
        return f'write it in quotes: "{str(received).lower()}"'
    if last == "models" and len(loc) == 1:
        return "write each model's name, and its layers as a list below it"
    if last == "expect":
        return "write `verdicts:` and `models:` below it"
    if last == "modes" and isinstance(received, str):
        return f"write `modes: [{received}]`"
    return None
