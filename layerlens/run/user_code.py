"""Find the user's code among the frames of an exception."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import layerlens

_PACKAGE = str(Path(layerlens.__file__).parent)
#: The folders of the standard library and of installed packages.
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib")})


def user_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame of the user's code that layerlens called; None if there is none.

    Frames before the last one of layerlens do not count: the user's code called layerlens there.
    """
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(_PACKAGE):
            found = None
        elif not _is_installed(frame.filename):
            found = frame
    return found


def _is_installed(filename: str) -> bool:
    if filename.startswith(_INSTALLED) or "site-packages" in filename:
        return True
    return not Path(filename).is_file()  # the source of compiled code does not exist
