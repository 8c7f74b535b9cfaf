"""Python's syntax in a scenario: what it says, and how YAML writes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from layerlens.scenario.yaml.scalars import scalar_notation

_CALL = re.compile(r"[A-Za-z_][\w.]*\s*\(")
#: A layer and its argument without the colon, as in `Dense 3`.
_SPACED = re.compile(r"([A-Za-z_][\w.]*)\s*[ =]\s*(\S+)")
_LONGEST = 500
_MODULES = re.compile(r"(?:np|numpy|tf|tensorflow|torch|jnp|jax|keras|mx)\.(?:\w+\.)*")
#: Name of a dtype elsewhere → Keras' name.
_DTYPES = {
    "int": "int32",
    "integer": "int32",
    "i4": "int32",
    "long": "int64",
    "i8": "int64",
    "short": "int16",
    "byte": "int8",
    "uint": "uint32",
    "float": "float32",
    "single": "float32",
    "f4": "float32",
    "double": "float64",
    "f8": "float64",
    "half": "float16",
    "f2": "float16",
    "fp16": "float16",
    "fp32": "float32",
    "fp64": "float64",
    "bf16": "bfloat16",
    "boolean": "bool",
    "bool_": "bool",
    "str": "string",
    "text": "string",
    "object": "string",
}


def python_value(text: Any, is_allowed: Callable[[Any], bool]) -> str | None:
    """Return how YAML writes a value that a text has in Python's syntax; None if it has none.

    Args:
        text: what was received, such as "(8, 4)", "16", "None" or "True".
        is_allowed: whether a value may stand here.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = {"true": True, "false": False}.get(text.strip().lower())
        if value is None:
            return "null" if text.strip() in ("null", "none") and is_allowed(None) else None
    if isinstance(value, (str, bytes, complex, dict, set)) or not is_allowed(value):
        return None
    return in_yaml(value)


def dtype_name(text: str, known: tuple[str, ...]) -> str | None:
    """Return Keras' name of a dtype that is written as in NumPy, PyTorch or C."""
    bare = _MODULES.sub("", text.strip()).casefold()
    name = _DTYPES.get(bare, bare)
    return name if name in known and name != text else None


@dataclass(frozen=True, slots=True)
class PythonCall:
    """A call: its name, and its arguments as YAML writes them."""

    name: str
    positional: list[str]
    keywords: list[str]


def python_call(text: str) -> PythonCall | None:
    """Return the call in a text such as `Dense(3)`, or `Dense 3`; None if it is none."""
    if len(text) > _LONGEST:
        return None
    spaced = _SPACED.fullmatch(text)
    if spaced is not None and "(" not in text:
        return PythonCall(spaced[1], [spaced[2]], [])
    if _CALL.match(text) is None:
        return None
    try:
        parsed = ast.parse(text.strip(), mode="eval").body
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(parsed, ast.Call) or not isinstance(parsed.func, (ast.Name, ast.Attribute)):
        return None
    keywords = [
        f"{item.arg}: {in_yaml(_value(item.value))}" for item in parsed.keywords if item.arg
    ]
    positional = [in_yaml(_value(item)) for item in parsed.args]
    return PythonCall(ast.unparse(parsed.func), positional, keywords)


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, SyntaxError):
        return ast.unparse(node)


def in_yaml(value: Any) -> str:
    """Return a value of Python as YAML writes it."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(in_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {in_yaml(item)}' for key, item in value.items())}}}"
    return scalar_notation(value)


def tuple_items(text: str) -> tuple[Any, ...] | None:
    """Return the tuple that a text writes; None if it writes none."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, tuple) and _is_data(value) else None


def _is_data(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_data, value))
    return value is None or isinstance(value, (bool, int, float, str))


def parenthesized(text: str, start: int) -> str | None:
    """Return the text from an opening parenthesis up to its end on the same line, or None."""
    depth = 0
    for index in range(start, min(len(text), start + _LONGEST)):
        match text[index]:
            case "(":
                depth += 1
            case ")":
                depth -= 1
                if depth == 0:
                    return text[start : index + 1]
            case "\n" | "#":
                return None
    return None
