"""Whose code raised an exception: the user's, or layerlens' own."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import layerlens

_HERE = str(Path(layerlens.__file__).parent)
#: Where Python and installed packages keep their code.
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib")})


def user_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame of the user's code that layerlens had called; None if none ran.

    An exception of layerlens' own has no frame of other code, but for Python's and of installed
    packages, after the last of layerlens.
    """
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(_HERE):
            found = None
        elif not _is_installed(frame.filename):
            found = frame
    return found


def _is_installed(filename: str) -> bool:
    if filename.startswith(_INSTALLED) or "site-packages" in filename:
        return True
    return not Path(filename).is_file()  # compiled code names a source that is not there
