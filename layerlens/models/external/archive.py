"""Open a zip archive, such as a `.keras` file, after checking its members' names and sizes."""

from __future__ import annotations

import io
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from layerlens.errors import Where
from layerlens.models.external.damaged_file import damaged

#: The members that Keras writes, apart from those of layers below `assets/`.
MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
_ASSETS = "assets/"

#: Keras stores members as they are; deflating weights gains a little, never a hundredfold.
_MOST_EXPANSION = 100
_EXPANSION_FLOOR_BYTES = 16 * 1024**2
#: The same limits for all members together.
_MOST_TOTAL_EXPANSION = 10
_TOTAL_FLOOR_BYTES = 512 * 10**6
#: A layer with assets has a few members; no model has this many.
_MOST_MEMBERS = 10_000
_MOST_DIRECTORY_BYTES = 4 * 1024**2

_HINT = "Keras does not save such files; do not open it"


@contextmanager
def opened_archive(path: Path, where: Where | None, hint: str = _HINT) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose members stay inside it and do not grow beyond bounds.

    `hint` is that of the errors: what writes such files does not write this one.

    Raises:
        ModelFileError: a member leads outside or grows too large, or there are too many members.
        zipfile.BadZipFile: the file is no zip archive.
        OSError: the file cannot be read.
    """
    with _ArchiveFile(path) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _TooManyMembers:
            what = "lists more members than any model has"
            raise damaged(path, what, where, hint) from None
        file.opened()
        with archive:
            _check_members(path, archive.infolist(), where, hint)
            yield archive


def unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """Unpack into a folder only the members that Keras reads."""
    for name in archive.namelist():
        if name in MEMBERS or name.startswith(_ASSETS):
            archive.extract(name, folder)


class _TooManyMembers(Exception):  # noqa: N818 - never leaves this module
    """The list of members at the end of the archive is too long."""


class _ArchiveFile(io.FileIO):
    """A file that limits the size of a single read until `opened` is called.

    `zipfile` first reads the whole list of members, and creates an object for each.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r")
        self._most: int | None = _MOST_DIRECTORY_BYTES

    def opened(self) -> None:
        self._most = None

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET and offset < 0:
            raise zipfile.BadZipFile("a member is placed before the start of the file")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if self._most is not None and size is not None and size > self._most:
            raise _TooManyMembers
        return super().read(-1 if size is None else size) or b""


def _check_members(
    path: Path, members: Sequence[zipfile.ZipInfo], where: Where | None, hint: str
) -> None:
    if len(members) > _MOST_MEMBERS:
        raise damaged(path, f"has {len(members):,} members, more than any model has", where, hint)
    for member in members:
        _check_member(path, member, where, hint)
    twice = [name for name, count in Counter(one.filename for one in members).items() if count > 1]
    if twice:
        raise damaged(path, f"has several members named {twice[0]!r}", where, hint)
    stored = sum(member.compress_size for member in members)
    held = path.stat().st_size
    if stored > held:
        what = f"has members that overlap: {stored:,} bytes of them in a file of {held:,}"
        raise damaged(path, what, where, hint)
    total = sum(member.file_size for member in members)
    if total > max(_TOTAL_FLOOR_BYTES, _MOST_TOTAL_EXPANSION * stored):
        raise damaged(path, f"would expand from {held:,} to {total:,} bytes in total", where, hint)


def _check_member(path: Path, member: zipfile.ZipInfo, where: Where | None, hint: str) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    outside = name.is_absolute() or ".." in name.parts or ":" in member.filename
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        what = f"has a member that points outside the archive: {member.filename!r}"
        raise damaged(path, what, where, hint)
    if member.flag_bits & 1:
        raise damaged(path, "is encrypted", where, "decrypt it first")
    grown = max(_EXPANSION_FLOOR_BYTES, _MOST_EXPANSION * member.compress_size)
    if member.file_size > grown:
        raise damaged(
            path,
            f"has a member that would expand from {member.compress_size:,} to "
            f"{member.file_size:,} bytes: {member.filename!r}",
            where,
            hint,
        )
