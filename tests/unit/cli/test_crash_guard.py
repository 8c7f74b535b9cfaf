"""The child process that takes a crash of TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from layerlens.cli.crash_guard import is_guarded

GUARDED = """\
import os, signal, sys
from layerlens.cli.crash_guard import crashed_child
cause = crashed_child()
if cause is None:
    {child}
print(cause)
sys.exit(9)
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


def run(child: str) -> subprocess.CompletedProcess[str]:
    code = GUARDED.format(child=child)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=25
    )


@needs_fork
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["compare", "x.yaml"], True), (["watch"], True), (["schema"], False), ([], False)],
)
def test_commands_that_may_run_tensorflow_are_guarded(arguments, expected):
    assert is_guarded(arguments) is expected


def test_without_fork_nothing_is_guarded(monkeypatch):
    monkeypatch.delattr(os, "fork", raising=False)
    assert not is_guarded(["compare", "x.yaml"])


@needs_fork
def test_the_parent_ends_with_the_exit_status_of_the_child():
    done = run("os._exit(7)")
    assert (done.returncode, done.stdout) == (7, "")


@needs_fork
def test_a_crash_of_the_child_is_returned():
    done = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert (done.returncode, done.stdout) == (9, "SIGKILL\n")


@needs_fork
def test_a_request_to_end_is_no_crash():
    done = run("os.kill(os.getpid(), signal.SIGTERM)")
    assert (done.returncode, done.stdout) == (143, "")
