"""Run commands in processes, and measure their time and memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
LAYERLENS = [str(Path(sys.executable).with_name("layerlens"))]


@dataclass(frozen=True)
class Cost:
    """The wall and CPU seconds of a process with its children, and its peak memory in KiB."""

    wall: float
    cpu: float
    peak_kib: int


def run(command: Sequence[str], expected_status: int = 0) -> Cost:
    """Run a command and return its cost; exit if its status is not the expected one."""
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, cwd=ROOT
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != expected_status:
            errors.seek(0)
            sys.stderr.write(errors.read().decode(errors="replace"))
            raise SystemExit(f"{' '.join(command)} ended with status {child.returncode}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


@dataclass(frozen=True)
class Stopped:
    """A process without a cost to report: it took too long, or ended with another status."""

    reason: str


def run_within(command: Sequence[str], seconds: float) -> Cost | Stopped:
    """Run a command for at most some seconds of CPU time; return its cost, or why there is none.

    The wall clock stops it after ten times as long: a process may hang without computing.
    """
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        child = psutil.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, cwd=ROOT
        )
        peak, used = 0, 0.0
        while child.poll() is None:
            for process in family_of(child):
                with suppress(psutil.Error), process.oneshot():
                    peak = max(peak, process.memory_info().rss)
            used = max(used, cpu_of(child))
            passed = time.perf_counter() - started
            if used > seconds or passed > 10 * seconds:
                for process in family_of(child):
                    with suppress(psutil.Error):
                        process.kill()
                child.wait()
                return Stopped(f"stopped after {passed:.0f} s, {used:.0f} s of CPU time")
            time.sleep(0.02)
        taken = time.perf_counter() - started
        if child.returncode != 0:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
            return Stopped(": ".join([f"ended with status {child.returncode}", *last]))
    return Cost(taken, used, peak // 1024)


def family_of(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return []


def cpu_of(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its children, those that have ended among them."""
    total = 0.0
    for one in family_of(process):
        with suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def in_turns(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Cost]]:
    """Run commands in turns, forwards and backwards, after a run of each that warms the disk cache.

    Other load on the machine then affects all of them alike.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for command in commands.values():
        run(command)
    for turn in range(rounds):
        names = list(commands) if turn % 2 == 0 else list(reversed(commands))
        for name in names:
            costs[name].append(run(commands[name]))
            progress(f"round {turn + 1} of {rounds}: {name}")
    progress("")
    return costs


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Return the median, the range and the number of runs."""
    return {
        "median": round(statistics.median(seconds), 3),
        "least": round(min(seconds), 3),
        "greatest": round(max(seconds), 3),
        "runs": len(seconds),
    }


def comparison(costs: Mapping[str, list[Cost]], ours: str, theirs: str) -> dict[str, Any]:
    """Return both spreads, and the median ratios of neighbouring runs in wall and CPU time."""
    pairs = list(zip(costs[ours], costs[theirs], strict=True))
    return {
        ours: spread([cost.wall for cost in costs[ours]]),
        theirs: spread([cost.wall for cost in costs[theirs]]),
        "ratio": round(statistics.median(a.wall / b.wall for a, b in pairs), 3),
        # CPU time is more reliable than wall time on a busy machine.
        "cpu_ratio": round(statistics.median(a.cpu / b.cpu for a, b in pairs), 3),
    }


def progress(text: str) -> None:
    """Show a line of progress on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
