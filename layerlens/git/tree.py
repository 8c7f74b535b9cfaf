"""Write the files of a revision to a folder.

The files are read from git's objects, as they were committed. `git worktree` would leave an entry
in the repository and run its hooks; `git archive` would leave files out (`export-ignore`); both
run filters, which may use the network.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from layerlens.byte_size import readable
from layerlens.errors import RevisionError, Where
from layerlens.git.commands import GitError, git, start_git
from layerlens.git.revision import Revision

_LINK, _EXECUTABLE, _SUBMODULE = b"120000", b"100755", b"160000"
_CHUNK = 1024**2
#: The start of a file that stands for one in Git LFS, and the largest such file.
_POINTER, _LARGEST_POINTER = b"version https://git-lfs.github.com/spec/", 1024
#: The share of the free space that the files may take.
_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: bytes
    object_id: bytes
    size: int
    path: str


def write_tree(revision: Revision, folder: Path, where: Where | None) -> None:
    """Write all files of a revision to an empty folder.

    A submodule is written if the clone has the commit, as it would be checked out. If the clone
    does not have a file of Git LFS, its pointer is written.

    Raises:
        RevisionError: the files need more space than there is, or the clone lacks one.
    """
    try:
        _write(revision.working_tree, revision.commit, folder)
    except GitError as error:
        raise RevisionError(f"the files of {revision} cannot be read: {error}", where) from error
    except OSError as error:
        raise RevisionError(
            f"the files of {revision} cannot be written to {folder}: {error.strerror}", where
        ) from error


def _write(repository: str, commit: str, folder: Path) -> None:
    entries = list(_entries(repository, commit))
    total = sum(entry.size for entry in entries)
    free = shutil.disk_usage(folder).free
    if total > free * _SHARE:
        raise GitError(f"they take {readable(total)}, and {readable(free)} are free")
    files = [entry for entry in entries if entry.mode not in (_LINK, _SUBMODULE)]
    _write_blobs(repository, files, folder)
    for entry in entries:
        if entry.mode == _SUBMODULE:
            _write_submodule(Path(repository, entry.path), entry, folder / entry.path)
    # Links come last, so that no file is written through one.
    _write_blobs(repository, [entry for entry in entries if entry.mode == _LINK], folder)


def _write_blobs(repository: str, entries: Sequence[_Entry], folder: Path) -> None:
    common = git(repository, "rev-parse", "--git-common-dir").rstrip(b"\n")
    lfs_objects = Path(repository, os.fsdecode(common), "lfs", "objects")
    with tempfile.TemporaryFile() as wanted:
        wanted.write(b"".join(entry.object_id + b"\n" for entry in entries))
        wanted.seek(0)
        with start_git(repository, "cat-file", "--batch", stdin=wanted) as process:
            assert process.stdout is not None
            for entry in entries:
                _write_blob(process.stdout, entry, folder / entry.path, lfs_objects)


def _entries(repository: str, commit: str) -> Iterator[_Entry]:
    listed = git(repository, "ls-tree", "-r", "-z", "-l", "--full-tree", commit)
    for line in listed.split(b"\0"):
        if not line:
            continue
        about, _, path = line.partition(b"\t")
        mode, _, object_id, size = about.split()
        parts = path.split(b"/")
        if any(part in (b"", b".", b"..") or part.lower() == b".git" for part in parts):
            raise GitError(f"it has a file of the name {os.fsdecode(path)!r}")
        yield _Entry(mode, object_id, int(size) if size.isdigit() else 0, os.fsdecode(path))


def _write_blob(output: IO[bytes], entry: _Entry, path: Path, lfs_objects: Path) -> None:
    head = output.readline().split()
    if len(head) != 3:
        raise GitError(f"this clone lacks {entry.path}, which a full clone has")
    path.parent.mkdir(parents=True, exist_ok=True)
    left = int(head[2])
    if entry.mode == _LINK:
        path.symlink_to(os.fsdecode(output.read(left)))
    else:
        with path.open("xb") as file:
            while left and (chunk := output.read(min(left, _CHUNK))):
                file.write(chunk)
                left -= len(chunk)
        if left:
            raise GitError(f"git ended before it had read {entry.path}")
        if entry.mode == _EXECUTABLE:
            path.chmod(0o755)
        if entry.size <= _LARGEST_POINTER:
            _replace_pointer(path, lfs_objects)
    output.read(1)  # the line ends


def _replace_pointer(path: Path, lfs_objects: Path) -> None:
    """Replace what stands for a file in Git LFS by the file, if the clone has it."""
    text = path.read_bytes()
    if not text.startswith(_POINTER):
        return
    lines = dict(line.partition(b" ")[::2] for line in text.splitlines())
    digest = lines.get(b"oid", b"").removeprefix(b"sha256:").decode(errors="replace")
    stored = lfs_objects / digest[:2] / digest[2:4] / digest
    if digest.isalnum() and stored.is_file():
        shutil.copyfile(stored, path)


def _write_submodule(repository: Path, entry: _Entry, folder: Path) -> None:
    """Write a submodule, or an empty folder where the clone does not have it."""
    folder.mkdir(parents=True, exist_ok=True)
    commit = entry.object_id.decode()
    if not (repository / ".git").exists():
        return
    try:
        git(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    except GitError:
        return
    _write(str(repository), commit, folder)
