"""A temporary folder that is removed in any case: by its owner, or by the next one after it."""

from __future__ import annotations

import importlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_NEW, _IN_USE = "layerlens-new-", "layerlens-revision-"


def make_folder() -> tuple[Path, Callable[[], None]]:
    """Make a folder, and return it with the function that removes it.

    Folders whose owner was killed are removed first. This process holds a lock on its own, which
    the system releases however the process ends.

    Raises:
        OSError: no folder can be made.
    """
    _remove_left_over()
    new = Path(tempfile.mkdtemp(prefix=_NEW))
    lock = _locked(new)
    folder = new.with_name(new.name.replace(_NEW, _IN_USE, 1))
    new.rename(folder)  # under its lock: another process never sees it unlocked

    def remove() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)

    return folder, remove


def _remove_left_over() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{_IN_USE}*"):
        with suppress(OSError):
            status = path.lstat()
            own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            if stat.S_ISDIR(status.st_mode) and own and (lock := _locked(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int | None:
    """Lock a folder, and return its descriptor; None if another process holds the lock."""
    try:
        fcntl: Any = importlib.import_module("fcntl")
    except ImportError:  # Windows has no such locks
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
