"""The other side of `workers.py`: scenarios come in through a pipe, reports go back."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

from layerlens.crew.tasks import Kind, work_of
from layerlens.errors import LayerlensError
from layerlens.options import RunOptions


def serve(pipe: Connection, kind: Kind, options: RunOptions) -> None:
    """Import Keras ahead, say so, and do what comes until nothing does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the process that started this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _import_ahead()
    work = work_of(kind, options)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(None)
        while True:
            scenario = pipe.recv()
            pipe.send(work(scenario))


def _import_ahead() -> None:
    from layerlens.backend import start_backend

    # A failure is told by the first scenario that needs Keras, with that scenario's place.
    with suppress(LayerlensError):
        start_backend()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
