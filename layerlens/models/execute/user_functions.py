"""What functions that Keras does not define hold: the numbers in them, and in what they call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType, MappingProxyType, MethodType
from typing import Any

import numpy as np

from layerlens.models.execute.receptive_field import whole_numbers_in
from layerlens.models.inspect.nested_layers import TRUSTED

_NONE: Mapping[str, Any] = MappingProxyType({})


def numbers_in_functions(
    held: Iterable[Any], methods: Mapping[str, Any] = _NONE
) -> Iterator[float]:
    """Yield the numbers in functions, in the functions that these call, and in what they see.

    `methods` are those of the functions' own class, by name; they count where they are called.
    Functions of Keras, NumPy and TensorFlow are not read.
    """
    waiting, seen = list(held)[::-1], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, (float, np.floating)):
            yield float(value)
        elif isinstance(value, (int, np.integer, slice)):
            yield from whole_numbers_in(int(value) if isinstance(value, np.integer) else value)
        elif id(value) not in seen:
            seen.add(id(value))
            waiting.extend(_parts(value, methods))


def _parts(value: Any, methods: Mapping[str, Any]) -> list[Any]:
    """Return what one object holds."""
    if isinstance(value, CodeType):
        return [*value.co_consts, *(methods[name] for name in value.co_names if name in methods)]
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, partial):
        return [value.func, *value.args, value.keywords]
    if isinstance(value, MethodType):
        return [value.__func__]
    if isinstance(value, FunctionType):
        return [value.__code__, *seen_by(value)] if is_users(value) else []
    if type(value).__module__.startswith(TRUSTED) and callable(value):  # made by `tf.function`
        return [getattr(value, "python_function", None)]
    return []


def is_users(function: FunctionType) -> bool:
    """Return whether a function is not from Keras, NumPy or TensorFlow."""
    return not str(function.__module__).startswith(TRUSTED)


def users_methods(cls: type) -> dict[str, Any]:
    """Return the methods that classes of the user's define, by name."""
    own = [one for one in cls.__mro__ if not one.__module__.startswith(TRUSTED)]
    return {name: value for one in reversed(own) for name, value in vars(one).items()}


def seen_by(function: Any) -> list[Any]:
    """Return what a function sees beside its arguments: globals, cells and defaults."""
    names = function.__code__.co_names
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    seen = [function.__globals__.get(name) for name in names]
    return [*seen, *cells, function.__defaults__, function.__kwdefaults__]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # it is set later
        return False
