"""Answer the messages that arrive on standard input, until it closes."""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

from .frames import FrameError, decoded, encoded

#: Seconds between two looks at whether layerlens, which started this process, still runs.
_LOOK_SECONDS = 0.2
#: The longest text of an error that is sent.
_LONGEST_MESSAGE = 4000

#: Folders that layerlens removes, and this process where layerlens was killed.
left_behind: list[str] = []
#: A folder into which this process still writes is not removed at once.
_REMOVALS = 5


def main(arguments: list[str]) -> None:
    """Serve the runtime that the arguments name; `folder=...` comes first where it has one."""
    if arguments[0].startswith("folder="):
        left_behind.append(arguments.pop(0).partition("=")[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # layerlens answers an interrupt
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    _end_in_any_call()
    _write_no_core()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a runtime prints is no answer
    messages = sys.stdin.buffer
    kind = arguments[0]
    gc.disable()  # importing TensorFlow makes many objects, hardly any garbage
    try:
        runtime: Any = importlib.import_module("." + kind, __package__)
        first = {"ok": True, **runtime.about(*arguments[1:]), "python": sys.version.split()[0]}
    except Exception as error:  # an import may fail in any way
        _send(answers, _failed(error))
        return
    gc.freeze()
    gc.enable()
    _send(answers, first)
    state: dict[str, Any] = {}
    while True:
        try:
            head, arrays = decoded(messages.readline, messages.read)
        except EOFError:
            return
        try:
            found, outputs = _answer(runtime, state, head, arrays)
            chunks = encoded({"ok": True, **found}, outputs)
        except FrameError as error:
            chunks = encoded({"ok": False, "type": "FrameError", "message": str(error)})
        except Exception as error:  # a runtime may raise anything
            chunks = encoded(_failed(error))
        _write(answers, chunks)


def _answer(
    runtime: Any, state: dict[str, Any], head: dict[str, Any], arrays: list[Any]
) -> tuple[dict[str, Any], list[Any]]:
    if head["op"] == "load":
        state["model"] = runtime.load(head)
        return state["model"].described(), []
    model = state["model"]
    if head["op"] == "values":
        return {}, model.values()
    if head["op"] == "find":
        return model.find(arrays), []
    if head["op"] == "inside":
        found: tuple[dict[str, Any], list[Any]] = model.inside(arrays)
        return found
    if head["op"] == "assign":
        model.assign(arrays)
        return {}, []
    return {}, model.run(head["precision"], arrays)


def _failed(error: Exception) -> dict[str, Any]:
    missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
    return {
        "ok": False,
        "type": type(error).__name__,
        "message": str(error)[:_LONGEST_MESSAGE],
        "missing": missing if isinstance(missing, str) else None,
    }


def _send(stream: BinaryIO, head: dict[str, Any]) -> None:
    _write(stream, encoded(head))


def _write(stream: BinaryIO, chunks: list[bytes]) -> None:
    for chunk in chunks:
        stream.write(chunk)
    stream.flush()


def _end_with_parent(parent: int) -> None:
    """End this process, also in the middle of a call, when layerlens has ended."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    for folder in left_behind:
        for _ in range(_REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.lexists(folder):
                break
    os._exit(1)


def _end_in_any_call() -> None:
    """Let the system end this process with layerlens, also in a call that lets no thread run.

    The signal that a pipe was closed ends a process that does not handle it. One that has to
    remove a folder does not use it: a later comparison would have to.
    """
    lifeline = os.environ.pop("LAYERLENS_LIFELINE", "")
    if not lifeline or left_behind:
        return
    fcntl: Any = importlib.import_module("fcntl")
    fcntl.fcntl(int(lifeline), fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(int(lifeline), fcntl.F_GETFL)
    fcntl.fcntl(int(lifeline), fcntl.F_SETFL, flags | os.O_ASYNC)


def _write_no_core() -> None:
    """Write no file where a runtime crashes."""
    try:
        resource: Any = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass  # not on this system
