"""Run Keras work in a fresh thread, so that the process stays as it was."""

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

#: Keras walks a model by recursion, some twenty calls a layer: room for a thousand layers.
_RECURSION_LIMIT = 40_000
_STACK_BYTES = 128 * 1024**2


class _Session(threading.Thread):
    """A thread of its own: to Keras, whose state is per thread, a process just started."""

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
        except BaseException as error:  # raised again in the thread that asked
            self.failure = error


def in_fresh_session(work: Callable[[], T], seed: int) -> T:
    """Run Keras work where names count from zero and the caller's settings are out of reach.

    Keras keeps names, scopes and the dtype policy per thread, so a new thread is a new session.
    Initialisers and seed generators draw their seeds from Python's `random`: it is seeded for the
    work and put back after it.
    """
    if isinstance(threading.current_thread(), _Session):
        return _run(work, seed)  # code of the user's that calls layerlens: the lock is ours
    with _ONE_AT_A_TIME:
        return _run(work, seed)


def _run(work: Callable[[], T], seed: int) -> T:
    session = _Session(work)
    drawn, depth, stack = random.getstate(), sys.getrecursionlimit(), threading.stack_size()
    random.seed(seed)
    sys.setrecursionlimit(max(depth, _RECURSION_LIMIT))
    threading.stack_size(_STACK_BYTES)  # of virtual memory: what is not used is not taken
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras' advice to whoever writes the Python code
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
