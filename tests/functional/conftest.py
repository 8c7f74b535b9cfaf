"""Fixtures that run the installed command in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("layerlens")


@pytest.fixture(scope="session", autouse=True)
def default_hangup_signal() -> None:
    """Restore the default of SIGHUP, which `nohup` sets to be ignored."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_IGN:
        signal.signal(hangup, signal.SIG_DFL)


@dataclass(frozen=True)
class Outcome:
    """The result of a process; `peak_kib` is its greatest resident memory."""

    status: int
    stdout: str
    stderr: str
    peak_kib: int

    def json(self) -> Any:
        """Return the report; fail on NaN and Infinity, which strict JSON lacks."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is not JSON")

        assert self.stdout, self.stderr
        return json.loads(self.stdout, parse_constant=refuse)


def run_process(
    argv: list[str],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str | None] | None = None,
    timeout: float = 300,
) -> Outcome:
    """Run `argv` to its end; None in `env` unsets a variable."""
    environment = dict(os.environ)
    # TensorFlow sets its log level when it is imported, perhaps by another test of this process.
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "TF_CPP_MIN_LOG_LEVEL"):
        environment.pop(name, None)
    for name, value in (env or {}).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd, env=environment
        )
        peak_kib = 0
        ends = time.monotonic() + timeout
        while child.poll() is None:
            peak_kib = max(peak_kib, resident_peak(child.pid))
            if time.monotonic() > ends:
                child.kill()
            time.sleep(0.01)
        out.seek(0)
        err.seek(0)
        return Outcome(
            child.returncode,
            out.read().decode(errors="replace"),
            err.read().decode(errors="replace"),
            peak_kib,
        )


def resident_peak(pid: int) -> int:
    """Return the greatest resident memory in KiB of a running process and its children.

    0 where the system does not report it. (The figure of `wait4` for a child starts at the memory
    of the process that started it.)
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s*(\d+)", status, re.MULTILINE)
    return max(int(found[1]) if found else 0, *map(resident_peak, map(int, children)), 0)


@pytest.fixture(scope="session")
def process() -> Callable[..., Outcome]:
    """Return a function `process(argv, ...)` that runs any program."""
    return run_process


@pytest.fixture(scope="session")
def run() -> Callable[..., Outcome]:
    """Return a function `run("compare", path, ...)` that runs the installed command."""

    def run_layerlens(*arguments: str | Path, **options: Any) -> Outcome:
        outcome = run_process([str(COMMAND), *map(str, arguments)], **options)
        assert "Traceback" not in outcome.stderr, outcome.stderr
        assert "Traceback" not in outcome.stdout, outcome.stdout
        return outcome

    return run_layerlens


@pytest.fixture(scope="session")
def command() -> Path:
    return COMMAND


@pytest.fixture(scope="session")
def gallery(run: Callable[..., Outcome]) -> Outcome:
    """Run every file in scenarios/ in one process, so that TensorFlow starts once."""
    return run("compare", "scenarios", "--format", "json", "--jobs", "1", timeout=540)


@pytest.fixture(scope="session")
def gallery_report(gallery: Outcome) -> dict[str, list[dict[str, Any]]]:
    """Return the gallery's scenarios by file name; a file with a matrix has several."""
    by_file: dict[str, list[dict[str, Any]]] = {}
    for scenario in gallery.json()["scenarios"]:
        by_file.setdefault(Path(scenario["path"]).name, []).append(scenario)
    return by_file
