"""The main function of a worker process: scenarios come in through a pipe, reports go back."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from layerlens.errors import LayerlensError
from layerlens.models.backend.start import start_backend
from layerlens.plain.garbage import collect_rarely
from layerlens.plain.processors import count_processors
from layerlens.run.workers.tasks import Work, work_of
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.scenario.options import RunOptions


def serve(pipe: Connection, kind: Command, options: RunOptions) -> None:
    """Import Keras, report that the worker is ready, and run scenarios until the pipe closes."""
    obey_parent()
    collect_rarely()
    _import_ahead()
    if (options.jobs or 1) >= count_processors():
        from layerlens.models.execute.keras_runner import KerasRunner

        KerasRunner.overlaps = False
    answer(pipe, work_of(kind, options))


def obey_parent() -> None:
    """Ignore interrupts, which the parent handles, and end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def answer(pipe: Connection, work: Work) -> None:
    """Send None once ready, then for each scenario received what becomes known, and its report."""
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(None)
        while True:
            scenario = pipe.recv()
            pipe.send(work(scenario, tell=pipe.send))


def _import_ahead() -> None:
    # The first scenario reports a failure, with its own path.
    with suppress(LayerlensError):
        start_backend()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
