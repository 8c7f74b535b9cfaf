"""A runtime in a process of its own, with limits on its memory and time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from layerlens.byte_size import readable
from layerlens.files import os_reason
from layerlens.models.runtimes import worker
from layerlens.models.runtimes.worker.frames import FrameError, decoded, encoded
from layerlens.numerics.arrays import Array

_PROGRAM = str(Path(worker.__file__).parent)
#: Seconds within which a runtime has to start, and to answer a call.
START_SECONDS, CALL_SECONDS = 120.0, 600.0
#: Seconds between two looks at the memory of the process.
_LOOK_SECONDS = 0.1
_CHUNK = 1024**2


class RuntimeLostError(Exception):
    """The process of a runtime has died, or was stopped at a limit."""


class RuntimeAnswerError(Exception):
    """The runtime raised an error; `type` is the name of its class."""

    def __init__(self, kind: str, message: str, missing: str | None) -> None:
        super().__init__(message)
        self.type = kind
        self.message = message
        #: The module that could not be imported.
        self.missing = missing


@dataclass(frozen=True, slots=True)
class About:
    """The name and the version of a runtime, and the version of its Python."""

    name: str
    version: str
    python: str


class RuntimeProcess:
    """One process of one runtime. It starts at once, and ends with this process at the latest."""

    def __init__(
        self,
        *arguments: str,
        python: str | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        most_bytes: int | None = None,
        folder: Path | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """Start a process.

        Args:
            arguments: the module of the worker, and what it is to load.
            python: the interpreter; None is this one.
            environment: variables to add to those of this process.
            most_bytes: the memory that it may take; None is no limit.
            folder: a folder for its use alone, which it removes if this process is killed.
            on_end: called when it has ended.

        Raises:
            RuntimeLostError: the interpreter cannot be run.
        """
        self._most_bytes = most_bytes
        self.folder = folder
        theirs, self._lifeline = _lifeline()
        try:
            self._process = subprocess.Popen(
                [python or sys.executable, _PROGRAM, *_told(folder), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={
                    **os.environ,
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    "LAYERLENS_LIFELINE": ",".join(map(str, theirs)),
                    **environment,
                },
                pass_fds=theirs,
            )
        except OSError as error:
            _close(self._lifeline)
            raise RuntimeLostError(f"it cannot be run: {os_reason(error)}") from error
        finally:
            _close(theirs)
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._unread = bytearray()
        self._deadline = self._next_look = 0.0
        self._about: About | None = None
        #: Why the process is lost; every further question raises the same error.
        self._loss: str | None = None
        self.close = weakref.finalize(
            self, _end, self._process, self._selector, self._lifeline, on_end
        )

    def about(self) -> About:
        """Wait until the runtime has started, and return what it is.

        Raises:
            RuntimeLostError: the process died, or did not start in time.
            RuntimeAnswerError: the runtime cannot be imported.
        """
        if self._loss is not None:
            raise RuntimeLostError(self._loss)
        if self._about is None:
            head, _ = self._receive(START_SECONDS)
            self._about = About(head["name"], head["version"], head["python"])
        return self._about

    def ask(
        self, head: dict[str, Any], arrays: Sequence[Array] = ()
    ) -> tuple[dict[str, Any], list[Array]]:
        """Send a message and return the answer.

        Raises:
            RuntimeLostError: the process died, or was stopped at a limit.
            RuntimeAnswerError: the runtime raised an error.
        """
        self.about()
        assert self._process.stdin is not None
        try:
            for chunk in encoded(head, arrays):
                self._process.stdin.write(chunk)
        except FrameError as error:
            raise RuntimeAnswerError("FrameError", str(error), None) from error
        except OSError:
            raise self._ended() from None
        return self._receive(CALL_SECONDS)

    def _receive(self, seconds: float) -> tuple[dict[str, Any], list[Array]]:
        self._deadline = time.monotonic() + seconds
        try:
            head, arrays = decoded(self._read_line, self._read_exactly)
        except EOFError:
            raise self._ended() from None
        except FrameError as error:
            raise self._lost(f"it gave no valid answer: {error}") from error
        if not head.get("ok"):
            raise RuntimeAnswerError(
                str(head.get("type")), str(head.get("message")), head.get("missing")
            )
        return head, arrays

    def _read_line(self, most: int) -> bytes:
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            if searched > most or not self._read_more():
                return self._taken(min(searched, most))
        return self._taken(end + 1)

    def _read_exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            if not self._read_more():
                raise EOFError
        return self._taken(count)

    def _taken(self, count: int) -> bytes:
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken

    def _read_more(self) -> bool:
        """Wait for more bytes; False where the process has closed its output.

        Raises:
            RuntimeLostError: a limit is exceeded; the process is stopped then.
        """
        while not self._selector.select(_LOOK_SECONDS):
            self._stop_at_limit()
        if time.monotonic() > self._next_look:
            self._stop_at_limit()
            self._next_look = time.monotonic() + _LOOK_SECONDS
        more = os.read(self._output, _CHUNK)
        self._unread += more
        return bool(more)

    def _stop_at_limit(self) -> None:
        if time.monotonic() > self._deadline:
            raise self._lost("it was stopped because it took too long")
        taken = self._resident()
        if self._most_bytes is not None and taken > self._most_bytes:
            raise self._lost(
                f"it was stopped at {readable(taken)} of memory; the limit is "
                f"{readable(self._most_bytes)}"
            )

    def _resident(self) -> int:
        with suppress(psutil.Error):
            return int(psutil.Process(self._process.pid).memory_info().rss)
        return 0

    def _ended(self) -> RuntimeLostError:
        """Return the error on a process that has ended by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        status = self._process.poll()
        if status is not None and status < 0:
            with suppress(ValueError):
                return self._lost(f"it crashed ({signal.Signals(-status).name})")
        return self._lost(f"it ended without an answer (exit status {status})")

    def _lost(self, reason: str) -> RuntimeLostError:
        """End the process, and return the error on it, which further questions raise too."""
        self.close()
        self._loss = reason
        return RuntimeLostError(reason)


def _told(folder: Path | None) -> tuple[str, ...]:
    return () if folder is None else (f"folder={folder}",)


def _lifeline() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the end of a pipe for a process, and the end that closes when this one ends.

    Both are empty where the system does not tell a process that its pipe was closed.
    """
    if not hasattr(os, "O_ASYNC"):
        return (), ()
    theirs, ours = os.pipe()
    return (theirs,), (ours,)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _end(
    process: subprocess.Popen[bytes],
    selector: selectors.BaseSelector,
    lifeline: Sequence[int],
    on_end: Callable[[], None] | None,
) -> None:
    """Kill a process, and close what it was connected by."""
    selector.close()
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()
    _close(lifeline)
    if on_end is not None:
        on_end()
