"""Run Keras work in a new thread, whose Keras state is that of a new process."""

from __future__ import annotations

import random
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from layerlens.models.backend import global_settings

T = TypeVar("T")

_ONE_AT_A_TIME = threading.Lock()

#: Keras recurses through a model with about twenty calls per layer; enough for a thousand layers.
_RECURSION_LIMIT = 40_000
_STACK_BYTES = 128 * 1024**2


class _Session(threading.Thread):
    """A thread with new Keras state, since Keras keeps its state per thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(name="layerlens-session", daemon=True)
        self._work = work
        self._inherit = global_settings.inherited_settings()
        self.result: Any = None
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._inherit()
            self.result = self._work()
        except BaseException as error:  # raised again in the calling thread
            self.failure = error


def in_fresh_session(work: Callable[[], T], seed: int) -> T:
    """Run Keras work in a session whose names count from zero, apart from the caller's settings.

    Keras keeps names, scopes and the dtype policy per thread, so a new thread is a new session.
    Initializers and seed generators draw their seeds from Python's `random`, which is seeded for
    the work and restored afterwards. Raises whatever the work raises.
    """
    if isinstance(threading.current_thread(), _Session):
        return _run(work, seed)  # user code that calls layerlens: this session holds the lock
    with _ONE_AT_A_TIME:
        return _run(work, seed)


def _run(work: Callable[[], T], seed: int) -> T:
    session = _Session(work)
    drawn, depth, stack = random.getstate(), sys.getrecursionlimit(), threading.stack_size()
    random.seed(seed)
    sys.setrecursionlimit(max(depth, _RECURSION_LIMIT))
    threading.stack_size(_STACK_BYTES)  # virtual memory, taken only as it is used
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras' advice for authors of Python code
            session.start()
            session.join()
    finally:
        random.setstate(drawn)
        sys.setrecursionlimit(depth)
        threading.stack_size(stack)
    if session.failure is not None:
        raise session.failure
    result: T = session.result
    return result
