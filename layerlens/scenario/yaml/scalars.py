"""Parse and write scalars in the core schema of YAML 1.2, with two extensions.

`1_000` is a number, as in Python. `${name}` may stand unquoted where YAML would end plain text at
its braces: while YAML is parsed, private-use characters replace `$`, `{` and `}`.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from layerlens.plain.numbers import decimal_number, whole_number

#: Text that needs no quotes in YAML, also inside braces and brackets.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_PLACEHOLDER = re.compile(r"\$\{([^\S\n]*\w*[^\S\n]*)\}")
_HIDDEN = re.compile("\ue000\ue001([^\ue002]*)\ue002")


def hide_placeholders(text: str) -> str:
    """Return the text, of the same length, with the signs of each `${name}` replaced."""
    return _PLACEHOLDER.sub(lambda match: f"\ue000\ue001{match[1]}\ue002", text)


def restore_placeholders(text: str) -> str:
    """Return the text with each `${name}` as it was written."""
    return _HIDDEN.sub(r"${\1}", text) if "\ue000" in text else text


_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NAN = frozenset({".nan", ".NaN", ".NAN"})


def scalar_value(text: str, tag: str | None, *, is_plain: bool) -> Any:
    """Return the value of a scalar; it is plain where it is written without quotes.

    Raises:
        NumberOutOfRangeError: the text writes a number that is too large.
        ValueError: the text is not of the type that its tag names.
    """
    if tag is None:
        return _resolved(text) if is_plain else restore_placeholders(text)
    match tag.removeprefix("tag:yaml.org,2002:"):
        case "int":
            return _number(text, int)
        case "float":
            return float(_number(text, (int, float)))
        case "bool":
            if text not in _TRUE | _FALSE:
                raise ValueError(text)
            return text in _TRUE
        case "null":
            return None
        case _:
            return restore_placeholders(text)


def scalar_text(value: Any) -> str:
    """Return a value as YAML writes it, without quotes: `null`, `true`, `15`."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str, kind: Any) -> Any:
    value = _resolved(text)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(text)
    return value


def _resolved(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.fullmatch(text):
        return whole_number(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return whole_number(text, 0)
    if _INFINITY.fullmatch(text):
        return float("-inf") if text.startswith("-") else float("inf")
    if text in _NAN:
        return float("nan")
    if _FLOAT.fullmatch(text):
        return decimal_number(text)
    return restore_placeholders(text)


def scalar_notation(value: Any) -> str:
    """Return a value as YAML writes it on one line, in quotes where it needs them."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return _float_notation(value)
        case int():
            return str(value)
    return _text_notation(str(value))


def _float_notation(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return repr(value)


def _text_notation(value: str) -> str:
    if _PLAIN.fullmatch(value) and scalar_value(value, None, is_plain=True) == value:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
