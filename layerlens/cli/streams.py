"""Standard streams that may be closed or refuse to write."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO, TypeGuard

_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def open_missing() -> None:
    """Put something in the place of standard streams that the process was started without.

    Otherwise the next file to be opened would take that place, and get what is said to the user.
    What is written to a standard output that is not there still fails, so that it can be told.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def is_refusal(error: BaseException) -> TypeGuard[OSError]:
    """Tell whether an error came from writing to a stream that is full, closed or gone.

    What fails on a file by name carries that name.
    """
    return isinstance(error, OSError) and error.filename is None and error.errno in _REFUSALS


def give_up(stream: TextIO) -> None:
    """Keep the interpreter from trying once more, and failing once more, when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
