"""Run a command in a child process, so that the parent can report a crash of TensorFlow.

TensorFlow's kernels are C++: one that divides by zero or runs out of memory ends its process
without a message, and the reports of all other scenarios are lost.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence

#: The commands that may run TensorFlow in their own process.
_COMMANDS = frozenset({"compare", "explain", "plot", "summary", "watch"})
#: Signals that ask the process to end; they are forwarded to the child.
_REQUESTS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
_WATCHED = frozenset({*_REQUESTS, getattr(signal, "SIGCHLD", signal.SIGTERM)})
#: Signals that end the child without a crash: a request to end, or a closed pipe.
_NO_CRASH = frozenset({*_REQUESTS, getattr(signal, "SIGPIPE", signal.SIGTERM)})


def is_guarded(arguments: Sequence[str]) -> bool:
    """Return whether a command may run TensorFlow, and the system can fork."""
    able = hasattr(os, "fork") and hasattr(signal, "sigwaitinfo")
    return able and bool(arguments) and arguments[0] in _COMMANDS


def crashed_child() -> str | None:
    """Fork, and return None in the child.

    The parent waits for the child and ends with its exit status. If the child crashed, it returns
    the name of the signal instead. Where the fork fails, this process returns None and does the
    work itself. Call this before any thread is started.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if ignored, the child's exit status is lost
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        reading, writing = os.pipe()
        child = os.fork()
    except OSError:  # the pipe may stay open, which does no harm
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    if child == 0:
        os.close(writing)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        threading.Thread(target=_end_with_parent, args=(reading,), daemon=True).start()
        return None
    os.close(reading)
    status = _status_of(child)
    os.close(writing)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if status >= 0 or -status in _NO_CRASH:
        os._exit(status if status >= 0 else 128 - status)
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _status_of(child: int) -> int:
    """Wait for the child's exit status, and forward signals sent to this process alone."""
    while True:
        received = signal.sigwaitinfo(_WATCHED)
        if received.si_signo == signal.SIGCHLD:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
        elif received.si_code <= 0:  # sent by a process; a terminal signals the child too
            os.kill(child, received.si_signo)


def _end_with_parent(pipe: int) -> None:
    """End this process when the other end of the pipe is closed, as the parent ends."""
    while os.read(pipe, 1):
        pass
    os._exit(1)
