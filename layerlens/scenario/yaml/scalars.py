"""Parse a YAML scalar by the core schema of YAML 1.2.

Beyond it, `1_000` is a number, as in Python, and `${name}` may stand unquoted where YAML would end
plain text at its braces: private characters take the place of its signs while YAML is parsed.
"""

from __future__ import annotations

import re
from typing import Any

from layerlens.plain.numbers import decimal_number, whole_number

_PLACEHOLDER = re.compile(r"\$\{([^\S\n]*\w*[^\S\n]*)\}")
_HIDDEN = re.compile("\ue000\ue001([^\ue002]*)\ue002")


def hidden(text: str) -> str:
    """Return the text with each `${name}` out of YAML's sight."""
    return _PLACEHOLDER.sub(lambda match: f"\ue000\ue001{match[1]}\ue002", text)


def revealed(text: str) -> str:
    """Return the text with each hidden `${name}` as it was written."""
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
    """Return the value of a scalar, which is plain where it stands without quotes.

    Raises:
        NumberOutOfRangeError: the text writes a number that is too large.
        ValueError: the text is not of the type that its tag names.
    """
    if tag is None:
        return _resolved(text) if is_plain else revealed(text)
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
            return revealed(text)


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
    return revealed(text)
