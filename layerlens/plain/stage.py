"""What a long computation is doing, told to who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Called with what is being done, such as "searching an input on which they differ".
Listener = Callable[[str], None]


def _nobody(text: str) -> None:
    """Nobody waits."""


_LISTENER: ContextVar[Listener] = ContextVar("layerlens_stage_listener", default=_nobody)


def enter(text: str) -> None:
    """Tell the listener of this thread what is done from now on, in words that follow `while`."""
    _LISTENER.get()(text)


@contextmanager
def telling(listener: Listener) -> Iterator[None]:
    """Context manager in which a listener receives each stage of this thread."""
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)


@contextmanager
def silent() -> Iterator[None]:
    """Context manager for work that is part of one stage, whose own stages nobody hears."""
    with telling(_nobody):
        yield
