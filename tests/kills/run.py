"""Kill processes of layerlens at random times: nothing is left over, and no other scenario is lost.

    python tests/kills/run.py --kills 100

Three kinds of process are killed with SIGKILL: those of runtimes and those of `--jobs`, each of
which may cost its own scenario alone, and the command itself, whose other processes have to end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

COMMAND = Path(sys.executable).with_name("layerlens")
#: The variable that all processes of a run have in common.
MARK = "LAYERLENS_TEST_RUN"
SCENARIO = """\
title: scenario {number}
input: {{shape: [4]}}
runtimes: {{here: {{python: {python}}}}}
models:
  ours: [{{Dense: {{units: {units}, activation: tanh}}}}]
  there: {{like: ours, runtime: here}}
expect: {{verdicts: {{there: equivalent}}}}
"""
#: Seconds within which every process has to have ended after the command was killed.
ENDED_SECONDS = 60.0


@dataclass
class Result:
    """What was killed, and what went wrong."""

    kills: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    finished: int = 0
    faults: list[str] = field(default_factory=list)

    def count(self, kind: str) -> None:
        self.kills[kind] = self.kills.get(kind, 0) + 1

    def __str__(self) -> str:
        killed = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kills.items()))
        return (
            f"killed: {killed}; {self.finished} scenarios finished, {self.lost} were lost; "
            f"{len(self.faults)} faults"
        )


class Run:
    """One run of the command on many scenarios, whose processes all have a mark."""

    def __init__(self, folder: Path, count: int, jobs: int) -> None:
        self.mark, self.report = uuid.uuid4().hex, folder / "report.json"
        self.count = count
        for number in range(count):
            text = SCENARIO.format(number=number, units=number % 7 + 1, python=sys.executable)
            (folder / f"s{number:03}.yaml").write_text(text)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        options = ["--jobs", str(jobs), "--no-cache", "--allow-code", "--quiet"]
        self.process = subprocess.Popen(
            [str(COMMAND), "compare", *options, "--output", str(self.report), str(folder)],
            env={**os.environ, MARK: self.mark, "TMPDIR": str(self.temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def processes(self) -> list[psutil.Process]:
        """Return all processes of this run that have not ended."""
        return [one for one in psutil.process_iter() if self._is_own(one)]

    def _is_own(self, process: psutil.Process) -> bool:
        try:
            own = process.environ().get(MARK) == self.mark
            return own and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def victims(self, kind: str) -> Iterator[psutil.Process]:
        """Yield the processes of a kind: `runtime` or `job`."""
        part = "runtimes/worker" if kind == "runtime" else "spawn_main"
        for process in self.processes():
            try:
                if part in " ".join(process.cmdline()):
                    yield process
            except psutil.Error:
                continue

    def wait_until_ended(self, result: Result) -> None:
        """Note every process and folder that is left over."""
        self.process.wait()
        end = time.monotonic() + ENDED_SECONDS
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        result.faults += [f"still runs: {process}" for process in left]
        for process in left:
            process.kill()
        result.faults += [f"still there: {path}" for path in self.temporary.glob("layerlens-*")]


def kill_inside(result: Result, kinds: list[str], jobs: int, chance: random.Random) -> None:
    """Kill runtimes and jobs of one run, which has enough scenarios to outlive them."""
    with tempfile.TemporaryDirectory() as name:
        # A process that runs ahead of its kill needs another scenario.
        run = Run(Path(name), 2 * len(kinds), jobs)
        for kind in kinds:
            if not _kill_one(run, kind, chance):
                break
            result.count(kind)
        run.wait_until_ended(result)
        if not run.report.exists():
            result.faults.append(f"no report; the exit status is {run.process.returncode}")
            return
        scenarios = json.loads(run.report.read_text())["scenarios"]
    if len(scenarios) != run.count:
        result.faults.append(f"{len(scenarios)} of {run.count} scenarios are in the report")
    lost = [one for one in scenarios if one["status"] != "pass"]
    result.lost += len(lost)
    result.finished += len(scenarios) - len(lost)
    if len(lost) > len(kinds):
        result.faults.append(f"{len(kinds)} kills lost {len(lost)} scenarios")
    result.faults += [_told(one) for one in lost if "SIGKILL" not in json.dumps(one)]


def _kill_one(run: Run, kind: str, chance: random.Random) -> bool:
    """Kill a process of a kind at a random time; False if the run ended before."""
    time.sleep(chance.uniform(0.0, 4.0))
    while run.process.poll() is None:
        found = list(run.victims(kind))
        if found:
            time.sleep(chance.uniform(0.0, 0.3))
            try:
                chance.choice(found).kill()
            except psutil.NoSuchProcess:
                continue
            return True
        time.sleep(0.05)
    return False


def kill_command(result: Result, chance: random.Random, longest: float) -> None:
    """Kill the command, or the process that does its work, at a random time."""
    with tempfile.TemporaryDirectory() as name:
        run = Run(Path(name), 4, 2)
        time.sleep(chance.uniform(0.2, longest))
        workers = psutil.Process(run.process.pid).children()
        victim = chance.choice([psutil.Process(run.process.pid), *workers])
        victim.kill()
        result.count("command")
        if victim.pid != run.process.pid:
            # The guard reports the crash and runs everything again; it is killed at work too.
            time.sleep(chance.uniform(0.0, 3.0))
            run.process.kill()
            result.count("command")
        run.wait_until_ended(result)


def _told(scenario: dict[str, Any]) -> str:
    return f"{scenario['title']} is {scenario['status']}: {json.dumps(scenario)[:2000]}"


def kill_all(kills: int, seed: int, *, at_once: int = 10, longest: float = 15.0) -> Result:
    """Kill so many processes: of ten, five runtimes, three jobs and two commands."""
    chance, result = random.Random(seed), Result()
    for start in range(0, kills, at_once):
        count = min(at_once, kills - start)
        commands = max(1, count // 5)
        kinds = ["runtime" if n % 8 < 5 else "job" for n in range(count - commands)]
        chance.shuffle(kinds)
        kill_inside(result, kinds, 2, chance)
        for _ in range(commands):
            kill_command(result, chance, longest)
        found = "".join(f"\n{fault}" for fault in result.faults)
        sys.stderr.write(f"{result}{found}\n")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    done = kill_all(given.kills, given.seed)
    sys.exit(bool(done.faults))
