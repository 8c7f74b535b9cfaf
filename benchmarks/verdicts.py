"""Judge pairs whose truth is known, beside what one allclose on one random batch says of them.

Prints a confusion matrix for layerlens and one for each of two habits: `numpy.allclose`, and the
tolerances `torch.testing` gives float32 (rtol 1.3e-6, atol 1e-5), both on one batch of uniform
[0, 1) inputs and freshly initialised weights, copied over with `set_weights`. Ends with status 1
where layerlens gave a wrong verdict, or where a seed changed one.

    python benchmarks/verdicts.py [PATH ...] [--seeds 20] [--mutate] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from layerlens.reading import find_scenario_files, read_scenarios
from layerlens.running import run_scenario

from by_habit import Habit, judge_by_habit
from layerlens.options import RunOptions
from layerlens.report import PairReport
from layerlens.scenario import VERDICTS, Expectations, Mode, Scenario, Verdict
from mutants import mutants_of

ROOT = Path(__file__).resolve().parent.parent
HABIT_WORDS: tuple[Habit, ...] = ("equal", "not equal", "raises")


@dataclass(frozen=True)
class Judged:
    """One pair in one mode: what is true of it, and what each judge said."""

    pair: str
    truth: Verdict
    layerlens: Verdict
    strength: str | None
    allclose: Habit
    torch: Habit
    seconds: float

    @property
    def wrong(self) -> bool:
        return self.layerlens != self.truth

    def misled(self, habit: Habit) -> bool:
        """A habit only says equal or not; an exception counts as not."""
        return (habit == "equal") != (self.truth == "equivalent")


def scenarios_in(paths: list[Path]) -> list[Scenario]:
    files = find_scenario_files([str(path) for path in paths])
    return [scenario for file in files for scenario in read_scenarios(file)]


def truths(scenario: Scenario) -> dict[tuple[str, Mode], Verdict]:
    expected = scenario.expect or Expectations()
    return {
        (candidate, mode): verdict
        for candidate, modes in expected.verdicts.items()
        for mode, verdict in modes.items()
    }


def name_of(scenario: Scenario, candidate: str, mode: Mode) -> str:
    cell = ",".join(f"{key}={value}" for key, value in (scenario.cell or {}).items())
    file = Path(scenario.path).name + (f"[{cell}]" if cell else "")
    return f"{file}::{scenario.reference}=={candidate}[{mode}]"


def judge(scenarios: list[Scenario], seed: int) -> list[Judged]:
    judged = []
    for number, scenario in enumerate(scenarios, start=1):
        progress(f"seed {seed}: scenario {number} of {len(scenarios)}")
        started = time.perf_counter()
        report = run_scenario(scenario, RunOptions(seed=seed))
        pairs = {(pair.candidate, pair.mode): pair for pair in report.pairs}
        known = truths(scenario)
        seconds = (time.perf_counter() - started) / max(1, len(known))
        for (candidate, mode), truth in known.items():
            pair = pairs[candidate, mode]
            allclose, torch = judge_by_habit(scenario, candidate, mode, seed)
            judged.append(
                Judged(
                    name_of(scenario, candidate, mode),
                    truth,
                    pair.verdict,
                    pair.strength,
                    allclose,
                    torch,
                    round(seconds, 3),
                )
            )
    progress("")
    return judged


def unsteady(scenarios: list[Scenario], first: list[Judged], seeds: range) -> dict[str, list[str]]:
    """Judge again under other seeds and return the pairs whose verdict changed."""
    said: dict[str, list[str]] = {row.pair: [row.layerlens] for row in first}
    for seed in seeds:
        for number, scenario in enumerate(scenarios, start=1):
            progress(f"seed {seed}: scenario {number} of {len(scenarios)}")
            for pair in run_scenario(scenario, RunOptions(seed=seed)).pairs:
                said.setdefault(name_of(scenario, pair.candidate, pair.mode), []).append(
                    pair.verdict
                )
    progress("")
    return {pair: verdicts for pair, verdicts in said.items() if len(set(verdicts)) > 1}


def mutate(scenarios: list[Scenario]) -> tuple[list[str], list[str]]:
    """Change one thing that matters in each equivalent candidate; return caught and missed."""
    caught: list[str] = []
    missed: list[str] = []
    for scenario in scenarios:
        for (candidate, mode), truth in truths(scenario).items():
            if truth != "equivalent":
                continue
            for change, mutant in mutants_of(scenario, candidate, mode):
                progress(f"{len(caught) + len(missed) + 1} mutants")
                pair: PairReport
                (pair,) = run_scenario(mutant, RunOptions()).pairs
                row = f"{name_of(scenario, candidate, mode)}: {change}: {pair.verdict}"
                (missed if pair.verdict == "equivalent" else caught).append(row)
    progress("")
    return caught, missed


def progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def print_matrix(title: str, rows: list[tuple[str, str]], columns: tuple[str, ...]) -> None:
    counts = Counter(rows)
    widths = [max(6, len(column)) for column in columns]
    print(title)
    print(" " * 16 + "".join(f"  {name:>{w}}" for name, w in zip(columns, widths, strict=True)))
    for truth in VERDICTS:
        if not any(row[0] == truth for row in rows):
            continue
        cells = "".join(
            f"  {counts[truth, column] or '.':>{w}}"
            for column, w in zip(columns, widths, strict=True)
        )
        print(f"{truth:16}{cells}")
    print()


def print_report(judged: list[Judged]) -> None:
    print(f"{len(judged)} pairs; rows are the truth, columns what was said\n")
    print_matrix("layerlens", [(row.truth, row.layerlens) for row in judged], VERDICTS)
    strengths = Counter(row.strength for row in judged if row.strength)
    print("strength of equivalent: " + ", ".join(f"{n} {name}" for name, n in strengths.items()))
    print()
    print_matrix("numpy.allclose", [(row.truth, row.allclose) for row in judged], HABIT_WORDS)
    print_matrix("torch's tolerance", [(row.truth, row.torch) for row in judged], HABIT_WORDS)
    for name, wrong in [
        ("layerlens", sum(row.wrong for row in judged)),
        ("numpy.allclose", sum(row.misled(row.allclose) for row in judged)),
        ("torch's tolerance", sum(row.misled(row.torch) for row in judged)),
    ]:
        print(f"{name}: {wrong} of {len(judged)} wrong")
    print(f"median seconds for a pair: {statistics.median(row.seconds for row in judged)}")
    for row in judged:
        if row.wrong:
            print(f"WRONG {row.pair}: {row.layerlens}, but it is {row.truth}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Judge pairs whose truth is known.")
    parser.add_argument("paths", nargs="*", type=Path, default=[ROOT / "tests" / "truth"])
    parser.add_argument("--seeds", type=int, default=1, help="judge under so many seeds")
    parser.add_argument("--mutate", action="store_true", help="also change the equivalent pairs")
    parser.add_argument("--output", type=Path, help="write every row as JSON here")
    options = parser.parse_args()

    scenarios = scenarios_in(options.paths)
    judged = judge(scenarios, seed=0)
    if not judged:
        raise SystemExit("no pair with a known truth was found")
    print_report(judged)
    failed = any(row.wrong for row in judged)
    figures: dict[str, object] = {"pairs": [asdict(row) for row in judged]}

    if options.seeds > 1:
        changed = unsteady(scenarios, judged, range(1, options.seeds))
        print(f"{options.seeds} seeds: {len(changed)} verdicts changed")
        for pair, verdicts in changed.items():
            print(f"CHANGED {pair}: {', '.join(verdicts)}")
        failed = failed or bool(changed)
        figures["changed"] = changed
    if options.mutate:
        caught, missed = mutate(scenarios)
        total = len(caught) + len(missed)
        print(f"mutants: {len(caught)} of {total} caught ({len(caught) / max(1, total):.1%})")
        for row in missed:
            print(f"MISSED {row}")
        figures["mutants"] = {"caught": caught, "missed": missed}
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
