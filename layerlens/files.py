"""Write files whole and standard output, and find out why a path cannot be used."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from layerlens.errors import UsageError
from layerlens.fault_codes import Code

#: The path that means standard output.
STDOUT = "-"


def refuse_unwritable(path: str) -> None:
    """Raise UsageError if a file cannot be written, before any work is done for it."""
    if path == STDOUT:
        return
    target = Path(path)
    folder = target.parent
    reason = unreadable_path(target)
    if reason is not None:
        raise UsageError(f"cannot write to {_shortened(path)}: {reason}", code=Code.CANNOT_WRITE)
    if target.is_dir():
        raise UsageError(
            f"cannot write to {path}: it is a folder; name a file in it", code=Code.CANNOT_WRITE
        )
    if not folder.is_dir():
        raise UsageError(
            f"cannot write to {path}: there is no folder {folder}", code=Code.CANNOT_WRITE
        )
    if not os.access(folder, os.W_OK) and not _is_special(target):
        raise UsageError(
            f"cannot write to {path}: no permission to write in {folder}", code=Code.CANNOT_WRITE
        )


def write_text(text: str, path: str | None) -> None:
    """Write UTF-8 text to a file, atomically, or to standard output if `path` is None.

    Raises:
        UsageError: the system reports an error.
        BrokenPipeError: the reader of standard output has closed it.
    """
    write_bytes(text.encode("utf-8", "backslashreplace"), path)


def write_bytes(data: bytes, path: str | None) -> None:
    """Write bytes; otherwise like `write_text`."""
    _write([data], path)


def write_parts(parts: Iterable[str], path: str | None) -> None:
    """Write a text generated in parts; otherwise like `write_text`."""
    _write((part.encode("utf-8", "backslashreplace") for part in parts), path)


def _write(parts: Iterable[bytes], path: str | None) -> None:
    if path is None or path == STDOUT:
        _write_stdout(parts)
        return
    try:
        _replace_file(parts, Path(path))
    except OSError as error:
        raise UsageError(
            f"cannot write to {path}: {error.strerror or error}", code=Code.CANNOT_WRITE
        ) from error


def print_text(text: str) -> None:
    """Write text to standard output in its own encoding; other characters are escaped."""
    _write_stdout([text.encode(sys.stdout.encoding or "utf-8", "backslashreplace")])


def can_encode(text: str, stream: TextIO | None = None) -> bool:
    """Return whether standard output (or another stream) can encode the text."""
    try:
        text.encode(getattr(stream or sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _write_stdout(parts: Iterable[bytes]) -> None:
    try:
        sys.stdout.flush()
        sys.stdout.buffer.writelines(parts)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_stdout()
        raise UsageError(
            f"cannot write to standard output: {error.strerror or error}", code=Code.CANNOT_WRITE
        ) from error


def _discard_stdout() -> None:
    """Redirect standard output to the null device: at exit Python flushes it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _replace_file(parts: Iterable[bytes], path: Path) -> None:
    if _is_special(path):  # a device or a named pipe is written to, not replaced
        with path.open("wb") as file:
            file.writelines(parts)
        return
    with draft_of(Path(os.path.realpath(path))) as draft, draft.open("wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def draft_of(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield an empty file in the folder of `target` that is renamed to it when the block ends.

    If the block raises, the draft is removed and `target` is unchanged.

    Raises:
        FileExistsError: `target` exists, and `overwrite` is false.
        OSError: the system reports an error.
    """
    # Cut, so that the draft's name is not too long if the file's own is not.
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(_permissions(target))
        if overwrite:
            draft.replace(target)
        else:
            _publish(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _publish(draft: Path, target: Path) -> None:
    """Give the draft its name; raise FileExistsError if that exists (links never overwrite)."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        draft.rename(target)


def _shortened(path: str) -> str:
    return path if len(path) <= 80 else f"{path[:40]}…{path[-30:]}"


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _permissions(target: Path) -> int:
    """Return the permissions of a file, or those that a new file would have."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def unreadable_path(path: Path) -> str | None:
    """Return why a path is invalid (too long, a null character); None if it is valid.

    A path where there is no file is valid.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return os_reason(error)
    return None


def os_reason(error: Exception) -> str:
    """Return the system's reason for an error in lower case, to put after a colon."""
    return (getattr(error, "strerror", None) or str(error)).lower()
