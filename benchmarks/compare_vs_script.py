"""Time the command against `by_hand.py`, its light commands, and its memory over many scenarios.

Whole processes are timed, from start to exit. The two contestants take turns in one run, so that
whatever else the machine is doing falls on both. Prints JSON.

    python benchmarks/compare_vs_script.py [--rounds 7] [--scenarios 500] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SCENARIO = ROOT / "scenarios" / "dense_vs_td.yaml"
LAYERLENS = [str(Path(sys.executable).with_name("layerlens"))]

#: A family of small scenarios, no two the same, so that nothing can be reused between them.
SMALL = """\
title: Small pair {number}
input: {{shape: [{width}]}}
models:
  one:
    - Dense: {{units: {units}, activation: relu}}
  other:
    - Dense: {units}
    - Activation: relu
expect:
  verdicts: {{other: equivalent}}
"""

REJECTED = """\
title: A scenario with a misspelt key
inptu: {shape: [4]}
models: {a: [Dense: 2], b: [Dense: 2]}
"""


@dataclass(frozen=True)
class Cost:
    """What one whole process took: wall and processor seconds, and its peak memory in KiB."""

    wall: float
    cpu: float
    peak_kib: int


def run(command: list[str], expected_status: int) -> Cost:
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
            raise SystemExit(f"{command} ended with status {child.returncode}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def spread(seconds: list[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(seconds), 3),
        "least": round(min(seconds), 3),
        "greatest": round(max(seconds), 3),
        "runs": len(seconds),
    }


def against_the_script(rounds: int) -> dict[str, Any]:
    """Alternate the two; the ratio is the median of the ratios of neighbouring runs."""
    by_hand = [sys.executable, str(HERE / "by_hand.py")]
    compare = [*LAYERLENS, "compare", str(SCENARIO)]
    run(by_hand, 0)  # the first start reads everything from disk
    run(compare, 0)
    script: list[Cost] = []
    command: list[Cost] = []
    for turn in range(rounds):
        pair = [(by_hand, script), (compare, command)]
        for argv, costs in pair if turn % 2 == 0 else reversed(pair):
            costs.append(run(argv, 0))
    pairs = list(zip(command, script, strict=True))
    return {
        "script": spread([cost.wall for cost in script]),
        "layerlens": spread([cost.wall for cost in command]),
        "ratio": round(statistics.median(ours.wall / theirs.wall for ours, theirs in pairs), 3),
        # Processor time tells more than the clock where the machine has other work to do.
        "cpu_ratio": round(statistics.median(ours.cpu / theirs.cpu for ours, theirs in pairs), 3),
    }


def light_commands(rounds: int, folder: Path) -> dict[str, Any]:
    """Time what must start at once, because nothing is built."""
    rejected = folder / "rejected.yaml"
    rejected.write_text(REJECTED)
    cases = {
        "help": (["--help"], 0),
        "schema": (["schema"], 0),
        "rejected scenario": (["compare", str(rejected)], 2),
    }
    return {
        name: spread([run([*LAYERLENS, *arguments], status).wall for _ in range(rounds)])
        for name, (arguments, status) in cases.items()
    }


def memory(scenarios: int, folder: Path) -> dict[str, Any]:
    """Compare the peak memory of a run over few scenarios with that of one over many."""
    few = max(1, scenarios // 10)
    peaks: dict[int, int] = {}
    for count in (few, scenarios):
        part = folder / f"small-{count}"
        part.mkdir()
        for number in range(count):
            text = SMALL.format(number=number, width=3 + number % 29, units=2 + number // 29)
            (part / f"{number:04}.yaml").write_text(text)
        peaks[count] = run([*LAYERLENS, "compare", str(part), "--format", "json"], 0).peak_kib
    return {
        "peak_mib": {str(count): round(kib / 1024, 1) for count, kib in peaks.items()},
        "kib_per_scenario": round((peaks[scenarios] - peaks[few]) / (scenarios - few), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time layerlens and measure its memory.")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each contestant")
    parser.add_argument("--scenarios", type=int, default=500, help="0 leaves the memory run out")
    parser.add_argument("--output", type=Path, help="write the JSON here as well")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures: dict[str, Any] = {
            "machine": {
                "platform": platform.platform(),
                "cores": os.cpu_count(),
                "python": platform.python_version(),
            },
            "dense_vs_td": against_the_script(options.rounds),
            "light": light_commands(options.rounds, folder),
        }
        if options.scenarios:
            figures["memory"] = memory(options.scenarios, folder)
    text = json.dumps(figures, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
