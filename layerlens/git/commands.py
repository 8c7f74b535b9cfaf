"""Run git in a way that changes nothing, runs no other program, and uses no network."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import IO

#: Variables that a hook of git sets for its own repository; a file's repository is found anew.
_OF_ONE_REPOSITORY = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone would fetch what it lacks
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",  # `status` would write the index
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_OPTIONS = ("-c", "core.fsmonitor=", "-c", f"core.hooksPath={os.devnull}")
_SECONDS = 120.0


class GitError(Exception):
    """git failed; the message is the first line of what it printed."""


class GitMissingError(GitError):
    """There is no git, or it cannot be run."""


def git(folder: str | Path, *arguments: str, options: Iterable[str] = ()) -> bytes:
    """Run git in a folder, and return what it prints.

    Raises:
        GitMissingError: there is no git.
        GitError: it fails.
    """
    try:
        done = subprocess.run(
            _command(folder, arguments, options),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(),
            timeout=_SECONDS,
        )
    except FileNotFoundError as error:
        raise GitMissingError("git is not installed, or not on the PATH") from error
    except OSError as error:
        raise GitMissingError(f"git cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"`git {arguments[0]}` took more than {_SECONDS:g} s") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(lines[0] if lines else f"`git {arguments[0]}` ended with {done.returncode}")
    return done.stdout


def start_git(folder: str | Path, *arguments: str, stdin: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start git in a folder with an input, and return the process, whose output is a pipe."""
    return subprocess.Popen(
        _command(folder, arguments),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )


def _command(
    folder: str | Path, arguments: Iterable[str], options: Iterable[str] = ()
) -> list[str]:
    return ["git", "--no-pager", "-C", str(folder), *_OPTIONS, *options, *arguments]


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _OF_ONE_REPOSITORY and not name.startswith("GIT_TRACE")
    }
    return {**kept, **_ENVIRONMENT}
