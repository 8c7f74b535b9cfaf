"""Signals that ask the process to end: the work is left by an exception, and if not, cut off."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import time
from types import FrameType

from layerlens.plain import printable

#: How long the work may take to let go; code that swallows every exception is cut off then.
PATIENCE_SECONDS = 5.0

#: A signal so soon after the first is the same request: it went to all processes of a group, and
#: was handed on to this one as well.
ECHO_SECONDS = 0.5

_SAID = {
    "SIGINT": "interrupted",
    "SIGTERM": "asked to end (SIGTERM)",
    "SIGHUP": "the terminal was closed",
}
_SHOW_CURSOR = b"\x1b[?25h"

_received: signal.Signals | None = None
_since = 0.0
#: Standard error as the process was given it: while TensorFlow is imported, 2 is somewhere else.
_stderr = 2


class Left(Exception):  # noqa: N818 - it is no error
    """The work was left on a signal; says how far writing the report had come."""


def listen() -> None:
    """End in an orderly way on SIGINT, SIGTERM and SIGHUP, unless the caller has them ignored."""
    global _stderr
    _stderr = os.dup(2)
    for name in _SAID:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def let_go() -> None:
    """Leave signals to the system again, for the moment that the interpreter takes to end."""
    for name in _SAID:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_DFL)


def received() -> int | None:
    """Return the exit status that shells give the signal received (128 + number), or None."""
    return None if _received is None else 128 + _received


def reason() -> str:
    """Say why the work was left."""
    return _SAID[_received.name] if _received is not None else _SAID["SIGINT"]


def say(text: str) -> None:
    """Say something on standard error, wherever it is turned to at the moment."""
    line = f"layerlens: {printable.one_line(text)}\n"
    with contextlib.suppress(OSError):  # closed or full: the status is left to tell
        os.write(_stderr, line.encode())


def _stop(number: int, frame: FrameType | None) -> None:
    global _received, _since
    if _received is not None:
        if time.monotonic() - _since > ECHO_SECONDS:
            _cut_off()  # asked twice
        return
    _received, _since = signal.Signals(number), time.monotonic()
    _thread.start_new_thread(_cut_off_later, ())
    raise KeyboardInterrupt  # which neither Keras nor anything else takes for an error of its own


def _cut_off_later() -> None:
    time.sleep(PATIENCE_SECONDS)
    _cut_off()


def _cut_off() -> None:
    """End at once, with what a line of progress may have hidden shown again."""
    if sys.stderr is not None and sys.stderr.isatty():
        with contextlib.suppress(OSError):
            os.write(_stderr, _SHOW_CURSOR)
    say(reason())
    os._exit(received() or 1)
