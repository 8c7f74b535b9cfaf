"""Notice user code that asks how many samples a batch has, while it is traced for a known number.

Such code may do something else for one number of samples, which no other number shows. It may pass
the number on, as a reshape does, and calculate with it, but not compare it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

import tensorflow as tf

from layerlens.models.inspect.nested_layers import TRUSTED
from layerlens.proof.field.value import CannotProveError

#: Batches of fewer samples are not watched: too many axes are as long.
LEAST_WATCHED = 5
_ASKING = (
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__bool__"),
    *("__float__", "__truediv__", "__rtruediv__", "__divmod__", "__rdivmod__", "__str__"),
    *("__format__", "__repr__"),
)
_CALCULATING = ("add", "sub", "mul", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or")
#: How code reads a shape.
_READING = ("__getitem__", "__iter__", "as_list", "num_elements")


@contextmanager
def refusing_to_tell(samples: int) -> Iterator[None]:
    """Context manager in which user code may not ask whether a batch has so many samples.

    Raises:
        CannotProveError: it did.
    """
    if samples < LEAST_WATCHED:
        yield
        return
    asked: list[str] = []
    watched = _watched_numbers(asked)
    shape = tf.TensorShape
    kept = {name: getattr(shape, name) for name in (*_READING, "__eq__")}
    for name in _READING:
        setattr(shape, name, _telling(kept[name], samples, watched))
    shape.__eq__ = _comparing(kept["__eq__"], samples, asked)
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(shape, name, method)
    if asked:
        raise CannotProveError("user code asks for the number of samples")


def _watched_numbers(asked: list[str]) -> type[int]:
    """Return a class of integers that note in `asked` what user code wants to know of them."""

    def asking(name: str) -> Any:
        known: Callable[..., Any] = getattr(int, name)

        def method(self: int, *other: Any) -> Any:
            if _is_users(sys._getframe(1)):
                asked.append(name)
            return known(self, *other)

        return method

    def calculating(name: str) -> Any:
        known: Callable[..., Any] = getattr(int, name)

        def method(self: int, *other: Any) -> Any:
            found = known(self, *other)
            return watched(found) if type(found) is int else found

        return method

    names = [f"__{side}{name}__" for name in _CALCULATING for side in ("", "r")]
    members = {name: asking(name) for name in _ASKING}
    members |= {name: calculating(name) for name in (*names, "__neg__", "__abs__")}
    watched: type[int] = type("int", (int,), members)
    return watched


def _telling(method: Any, samples: int, watched: type[int]) -> Any:
    """Return a method of shapes that returns a watched number to user code."""

    @wraps(method)
    def told(*given: Any) -> Any:
        found = method(*given)
        if not _is_asked_by_user(sys._getframe(1)):
            return found
        if method.__name__ == "num_elements":
            return found if found is None or found % samples else watched(found)
        if isinstance(found, int):
            return watched(found) if found == samples else found
        if isinstance(found, list):
            return [watched(n) if n == samples else n for n in found]
        if method.__name__ == "__iter__":
            return iter([watched(n) if n == samples else n for n in found])
        return found

    return told


def _comparing(method: Any, samples: int, asked: list[str]) -> Any:
    """Return the comparison of shapes, which notes that user code compares one of a batch."""

    @wraps(method)
    def compared(one: Any, other: Any) -> Any:
        if _is_users(sys._getframe(1)) and one.rank and samples in tuple(one):
            asked.append("a shape")
        return method(one, other)

    return compared


def _is_asked_by_user(frame: FrameType | None) -> bool:
    """Return whether user code asks, by itself or through `keras.ops.shape`."""
    while frame is not None and frame.f_code.co_name == "shape" and not _is_users(frame):
        frame = frame.f_back
    return frame is not None and _is_users(frame)


def _is_users(frame: FrameType) -> bool:
    return not str(frame.f_globals.get("__name__")).startswith((*TRUSTED, "layerlens."))
