"""Parse JSON text within limits on depth, size and numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from layerlens.plain.numbers import NumberOutOfRangeError, decimal_number, whole_number

#: The greatest depth of nested values. A model inside thirty others takes about a hundred levels,
#: and Keras, which recurses, fails at little more than that.
DEEPEST = 128


class JsonError(ValueError):
    """A text is not JSON, or exceeds a limit; the message is to follow the file's name."""


def parse_json(
    text: str, *, whole: Callable[[str], int] = whole_number, deepest: int = DEEPEST
) -> Any:
    """Return the value of a JSON text.

    Args:
        text: the JSON text.
        whole: parses an integer.
        deepest: the greatest depth of nested values.

    Raises:
        JsonError: the text is not valid JSON, nests too deep, or has a number that is too large.
    """
    try:
        value = json.loads(text, parse_int=whole, parse_float=decimal_number)
    except RecursionError:
        raise _too_deep(deepest) from None
    except NumberOutOfRangeError as error:
        raise JsonError(f"holds a number out of range: {error}") from error
    except ValueError as error:
        raise JsonError(f"does not hold valid JSON: {error}") from error
    _check_depth(value, deepest)
    return value


def _too_deep(deepest: int) -> JsonError:
    return JsonError(f"holds values that are nested more than {deepest} deep")


def _check_depth(value: Any, deepest: int) -> None:
    level = [value]
    for _ in range(deepest + 1):
        level = [
            item
            for outer in level
            if isinstance(outer, (dict, list))
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise _too_deep(deepest)
