"""The values that an argument of Keras accepts, judged by its default and documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from layerlens.scenario.keras_catalog import Argument


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """The values that an argument accepts, judged by its default and documentation."""

    title: str
    boolean: bool = False
    number: bool = False
    whole: bool = False
    listed: bool = False

    def allows(self, value: Any) -> bool:
        """Return whether the argument accepts a value."""
        if isinstance(value, bool):
            return self.boolean
        if isinstance(value, (int, float)):
            return self.number and (isinstance(value, int) or not self.whole)
        if isinstance(value, (list, tuple)):
            return self.listed and not _holds_text(value)
        return False


_WHOLE = re.compile(
    r"(?:an? |optional |positive |python |\(optional\) )*(?:int(?:eger)?\b|number of |size of )",
    re.I,
)
_REAL = re.compile(r"(?:an? |optional |positive |\(optional\) )*float\b", re.I)
_LISTED = re.compile(r"\b(?:tuples?|lists?)\b", re.I)
#: These take one number, or one per axis, even where Keras documents one number only.
_PER_AXIS = frozenset(
    {"kernel_size", "pool_size", "strides", "dilation_rate", "output_size", "output_padding"}
)
_ONLY_LISTED = re.compile(r"^(?:target shape\. )?tuple of integers", re.I)


def argument_type(argument: Argument) -> ArgumentType | None:
    """Return the type of an argument; None where Keras does not say."""
    default, text = argument.default, argument.documentation
    listed = argument.name in _PER_AXIS or bool(_LISTED.search(text))
    listed = listed or (default or "").startswith("(")
    if default in ("True", "False"):
        return ArgumentType("true or false", boolean=True)
    if _ONLY_LISTED.match(text):
        return ArgumentType("a list of integers", listed=True)
    if (_WHOLE.match(text) and default in (None, "None")) or (default or "").isdigit():
        title = "an integer or a list of them" if listed else "an integer"
        return ArgumentType(title, number=True, whole=bool(_WHOLE.match(text)), listed=listed)
    if default is not None and re.fullmatch(r"-?\d[\d.e-]*|\(+[-\d., ()]*\)", default):
        return ArgumentType("a number or a list of them", number=True, listed=True)
    if _REAL.match(text):
        return ArgumentType("a number or a list of them", number=True, listed=True)
    return None


def _holds_text(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_text(item) for item in value)
    return isinstance(value, (str, dict))


def as_tuples(value: Any) -> Any:
    """Return a value with every list as a tuple, as Keras expects shapes and sizes."""
    if isinstance(value, dict):
        return {key: as_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(as_tuples(item) for item in value)
    return value
