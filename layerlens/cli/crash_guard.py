"""Run a command in a child process, so that the parent can report a crash of TensorFlow.

TensorFlow's kernels are C++: one that divides by zero, or that the system stops because memory ran
out, takes its whole process along, without a word and with the reports of all other scenarios.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence

#: The commands that may run TensorFlow in their own process.
_COMMANDS = frozenset({"compare", "explain", "plot", "summary", "watch"})
#: Signals that ask the process to end: whoever sends one to this process means the child.
_REQUESTS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
_WATCHED = frozenset({*_REQUESTS, getattr(signal, "SIGCHLD", signal.SIGTERM)})
#: What ends a process because somebody asked for it, or because nobody reads what it writes.
_ASKED_FOR = frozenset({*_REQUESTS, getattr(signal, "SIGPIPE", signal.SIGTERM)})


def guards(arguments: Sequence[str]) -> bool:
    """Tell whether a command line is worth a child, and the system has what one takes."""
    able = hasattr(os, "fork") and hasattr(signal, "sigwaitinfo")
    return able and bool(arguments) and arguments[0] in _COMMANDS


def lost_child() -> str | None:
    """Go on in a child, where this returns None, and wait for it here.

    Ends this process as the child ends, with its status; where the child was lost the name of the
    signal is returned. To be called before any thread is started. Where the system gives no child
    the work is done here, as it is where nobody guards it.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would take the child's status along
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        theirs, ours = os.pipe()
        child = os.fork()
    except OSError:  # a pipe that came to be stays open, which disturbs nobody
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    if child == 0:
        os.close(ours)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        threading.Thread(target=_end_with_parent, args=(theirs,), daemon=True).start()
        return None
    os.close(theirs)
    status = _status_of(child)
    os.close(ours)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if status >= 0 or -status in _ASKED_FOR:
        os._exit(status if status >= 0 else 128 - status)
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _status_of(child: int) -> int:
    """Wait for the child, and hand on what this process alone is asked."""
    while True:
        told = signal.sigwaitinfo(_WATCHED)
        if told.si_signo == signal.SIGCHLD:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
        elif told.si_code <= 0:  # sent by a process; what a terminal sends, the child gets as well
            os.kill(child, told.si_signo)


def _end_with_parent(pipe: int) -> None:
    """End when the other end of the pipe is closed, which nobody does before its process ends."""
    while os.read(pipe, 1):
        pass
    os._exit(1)
