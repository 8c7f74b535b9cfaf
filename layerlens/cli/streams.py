"""Standard streams that are missing, closed or full."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO, TypeGuard

_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def open_missing() -> None:
    """Open the null device as the standard streams that the process was started without.

    Otherwise the next file opened gets the descriptor of the stream, and messages are written into
    it. Standard output is opened for reading only, so that writing to it is reported as an error.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest free descriptor, which is this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def is_write_error(error: BaseException) -> TypeGuard[OSError]:
    """Return whether an error came from writing to a stream that is full, closed or missing.

    Errors on a file opened by name have a `filename`.
    """
    return isinstance(error, OSError) and error.filename is None and error.errno in _WRITE_ERRORS


def discard(stream: TextIO) -> None:
    """Redirect a stream to the null device, so that the flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
