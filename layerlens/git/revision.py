"""Find a revision of the repository that a file is in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from layerlens.errors import RevisionError, Where
from layerlens.fault_codes import Code
from layerlens.git.commands import GitError, GitMissingError, git
from layerlens.plain.commits import short_hash
from layerlens.plain.printable import one_line
from layerlens.plain.suggestion import nearest_name


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of a repository."""

    #: As the user named it.
    name: str
    commit: str
    subject: str
    #: The root of the working tree.
    working_tree: str
    #: Whether files that git tracks have changes that are not committed.
    is_dirty: bool

    def __str__(self) -> str:
        short = short_hash(self.commit)
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"


def find_revision(folder: Path, name: str, where: Where) -> Revision:
    """Return a revision of the repository that a folder is in.

    Raises:
        RevisionError: git is missing, the folder is in no repository, or has no such revision.
    """
    try:
        root = os.fsdecode(git(folder, "rev-parse", "--show-toplevel").rstrip(b"\n"))
    except GitMissingError as error:
        raise RevisionError(
            f"a revision cannot be read: {error}",
            where,
            "install git, or put it on the PATH",
            code=Code.NOT_INSTALLED,
        ) from error
    except GitError as error:
        raise _unreadable(folder, error, where) from error
    commit = _commit(root, name)
    if commit is None:
        raise _unknown(root, name, where)
    told = git(root, "log", "-1", "--no-show-signature", "--format=%s", commit, "--")
    subject = one_line(told.decode(errors="replace").rstrip("\n"))
    return Revision(name, commit, subject, root, _is_dirty(root))


def name_at(revision: Revision, now: str) -> str | None:
    """Return the path of a file at a revision; None if it was not there.

    Paths are from the root. A file that was renamed since then has its former path.
    """
    listed = git(revision.working_tree, "ls-tree", "-z", "--full-tree", revision.commit, "--", now)
    if listed:
        return now
    moved = git(
        revision.working_tree,
        "diff-index",
        "--cached",
        "-M",
        "-z",
        "--name-status",
        "--diff-filter=R",
        "--no-ext-diff",
        revision.commit,
        "--",
    ).split(b"\0")
    renamed = {
        os.fsdecode(new): os.fsdecode(old)
        for old, new in zip(moved[1::3], moved[2::3], strict=False)
    }
    return renamed.get(now)


def _commit(root: str, name: str) -> str | None:
    if not name or name.startswith("-"):
        return None  # git would read it as an option
    try:
        found = git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except (GitError, ValueError):  # ValueError: a null byte
        return None
    return found.decode().strip()


def _unreadable(folder: Path, error: GitError, where: Where) -> RevisionError:
    text = one_line(str(error).removeprefix("fatal: "))
    if "not a git repository" in text:
        return RevisionError(
            f"{one_line(folder)} is not in a git repository, so nothing is known of its past",
            where,
            "name a file of a repository, or two files: `before.py:callable after.py:callable`",
        )
    if "dubious ownership" in text:
        return RevisionError(
            f"git does not read the repository of {one_line(folder)}, which another user owns",
            where,
            f"if you trust it: `git config --global --add safe.directory {one_line(folder)}`",
        )
    return RevisionError(f"git cannot read the repository of {one_line(folder)}: {text}", where)


def _unknown(root: str, name: str, where: Where) -> RevisionError:
    shown = one_line(name) or "an empty text"
    if git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
        hint = (
            "this is a shallow clone without older commits: `git fetch --unshallow` fetches them "
            "(`fetch-depth: 0` of actions/checkout)"
        )
        return RevisionError(f"there is no revision {shown} in this clone", where, hint)
    try:
        git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    except GitError:
        return RevisionError(
            f"there is no revision {shown}: the repository has no commit yet",
            where,
            "commit the model first; then `--against HEAD` shows what you change",
        )
    named = git(root, "for-each-ref", "--format=%(refname:short)").decode(errors="replace").split()
    near = nearest_name(name, named)
    hint = (
        f"did you mean {near}?"
        if near
        else "name a commit, a branch or a tag: `git log` lists them"
    )
    return RevisionError(f"there is no revision {shown} in {one_line(root)}", where, hint)


def _is_dirty(root: str) -> bool:
    """Return whether tracked files are changed; what filters would make of them is not computed."""
    untracked = ("--untracked-files=no", "--ignore-submodules=dirty")
    return bool(git(root, "status", "--porcelain", *untracked, options=_without_filters(root)))


def _without_filters(root: str) -> list[str]:
    """Return the options with which git runs no filter, which is a program of the user."""
    try:
        listed = git(root, "config", "--null", "--name-only", "--get-regexp", r"^filter\.")
    except GitError:
        return []  # there are none
    drivers = {
        name.rpartition(".")[0] for name in listed.decode(errors="replace").split("\0") if name
    }
    return [
        part
        for driver in sorted(drivers)
        for key in ("clean=", "smudge=", "process=", "required=false")
        for part in ("-c", f"{driver}.{key}")
    ]
