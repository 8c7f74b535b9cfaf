"""`--against` leaves nothing behind: no folder, no process and no change in the repository."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.functional.conftest import COMMAND
from tests.unit.git.repository import Repository

#: A callable that, at the first revision, tells its process and does not return.
_WAITS = """\
import os, time
from pathlib import Path
def build():
    Path(os.environ["TOLD"]).write_text(str(os.getpid()))
    time.sleep(300)
"""
_RUNS = """\
import keras
def build():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repository")
    repository.commit("Wait", nets_py=_WAITS)
    repository.commit("Run", nets_py=_RUNS)
    return repository


class Run:
    """A run that compares with the first revision, in a temporary folder of its own."""

    def __init__(self, repository: Repository, place: Path, *options: str) -> None:
        place.mkdir()
        self.temporary, self.told = place / "tmp", place / "told"
        self.temporary.mkdir()
        variables = {"TMPDIR": str(self.temporary), "TOLD": str(self.told)}
        self.process = subprocess.Popen(
            [COMMAND, "compare", "nets.py:build", "--against", "HEAD~1", "--allow-code", *options],
            cwd=repository.folder,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for_callable(self) -> psutil.Process:
        """Wait until the callable runs, and return its process."""
        assert came(lambda: self.told.exists() and self.told.read_text() != "")
        (folder,) = self.temporary.glob("layerlens-revision-*")
        assert (folder / "nets.py").read_text() == _WAITS
        return psutil.Process(int(self.told.read_text()))

    def is_gone(self) -> bool:
        return not list(self.temporary.glob("layerlens-*"))


def came(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_nothing_is_left_however_a_run_ends(repository: Repository, tmp_path: Path) -> None:
    before = repository.state()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    runs = [Run(repository, tmp_path / number.name) for number in signals]
    for run, number in zip(runs, signals, strict=True):
        worker = run.wait_for_callable()
        run.process.send_signal(number)
        run.process.communicate(timeout=60)
        status = -number if number == signal.SIGKILL else 128 + number
        assert run.process.returncode == status
        assert came(lambda worker=worker: not worker.is_running()), number.name
        assert came(run.is_gone), number.name
    assert repository.state() == before


def test_a_run_at_its_time_limit(repository: Repository, tmp_path: Path) -> None:
    for seconds in (8, 30):  # a busy machine may not get to the callable within the first
        run = Run(repository, tmp_path / f"run {seconds}", "--timeout", str(seconds))
        output, _ = run.process.communicate(timeout=60)
        assert run.process.returncode == 2
        assert f"topped after {seconds} s" in output
        assert came(run.is_gone)
        if run.told.exists():
            break
    worker = int(run.told.read_text())
    assert came(lambda: not psutil.pid_exists(worker))


def test_a_worker_that_dies_loses_its_side(repository: Repository, tmp_path: Path) -> None:
    run = Run(repository, tmp_path / "run")
    run.wait_for_callable().kill()
    output, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == 1
    assert "BUILD ERROR" in output
    assert "was lost: it crashed (SIGKILL)" in " ".join(output.split())
    assert run.is_gone()
