"""Handle signals that ask the process to end: raise KeyboardInterrupt, then exit after a while."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import time
from types import FrameType

from layerlens.plain import printable

#: Seconds from KeyboardInterrupt to an exit; some code swallows every exception.
PATIENCE_SECONDS = 5.0

#: Seconds in which a second signal is the same request: it was sent to all processes of a group,
#: and forwarded to this one as well.
ECHO_SECONDS = 0.5

_REASONS = {
    "SIGINT": "interrupted",
    "SIGTERM": "terminated (SIGTERM)",
    "SIGHUP": "the terminal was closed",
}
_SHOW_CURSOR = b"\x1b[?25h"

_received: signal.Signals | None = None
_received_at = 0.0
#: A duplicate of the original standard error; descriptor 2 is redirected while TensorFlow is
#: imported.
_stderr = 2


class Interrupted(Exception):  # noqa: N818 - not an error
    """The work was interrupted; the message says how much of the report is written."""


def install_handlers() -> None:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM and SIGHUP, unless they are ignored."""
    global _stderr
    _stderr = os.dup(2)
    for name in _REASONS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def restore_defaults() -> None:
    """Restore the default handlers while the interpreter ends."""
    for name in _REASONS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _handle:
            signal.signal(number, signal.SIG_DFL)


def exit_status() -> int | None:
    """Return 128 + the number of the signal received, as shells do; None without one."""
    return None if _received is None else 128 + _received


def reason() -> str:
    """Return why the work was interrupted."""
    return _REASONS[_received.name] if _received is not None else _REASONS["SIGINT"]


def write_stderr(text: str) -> None:
    """Write a message to the original standard error, even while it is redirected."""
    line = f"layerlens: {printable.one_line(text)}\n"
    with contextlib.suppress(OSError):  # closed or full; the exit status remains
        os.write(_stderr, line.encode())


def _handle(number: int, frame: FrameType | None) -> None:
    global _received, _received_at
    if _received is not None:
        if time.monotonic() - _received_at > ECHO_SECONDS:
            _exit()  # the second request
        return
    _received, _received_at = signal.Signals(number), time.monotonic()
    _thread.start_new_thread(_exit_later, ())
    raise KeyboardInterrupt  # not an Exception, which Keras would catch


def _exit_later() -> None:
    time.sleep(PATIENCE_SECONDS)
    _exit()


def _exit() -> None:
    """Exit at once, and show the cursor that the progress line hides."""
    if sys.stderr is not None and sys.stderr.isatty():
        with contextlib.suppress(OSError):
            os.write(_stderr, _SHOW_CURSOR)
    write_stderr(reason())
    os._exit(exit_status() or 1)
