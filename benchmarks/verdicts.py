"""Judge pairs whose truth is known, with layerlens and with one allclose on one random batch.

Prints a confusion matrix for layerlens and for each of two baselines: `numpy.allclose`, and the
tolerances of `torch.testing` for float32 (rtol 1.3e-6, atol 1e-5), both on one batch of uniform
[0, 1) inputs and copied initial weights. The exit status is 1 where layerlens gives a wrong
verdict, or a seed changes one.

    python benchmarks/verdicts.py [PATH ...] [--seeds 20] [--mutate] [--share 1/4] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from allclose_baseline import BaselineResult, judge_with_allclose
from mutants import HARMLESS, mutants_of
from processes import ROOT, progress
from ruamel.yaml import YAML

from layerlens.models.backend.start import drop_kernels, without_collection
from layerlens.models.build.request import Built, Refused
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.run.pipeline import run_scenario
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import Scenario
from layerlens.vocabulary import VERDICTS, Verdict

BASELINE_RESULTS: tuple[BaselineResult, ...] = ("equal", "not equal", "raises")

#: A verdict, and its strength if it is `equivalent`.
Answer = tuple[Verdict, str | None]


@dataclass(frozen=True)
class Judged:
    """A pair in one mode: the true verdict, and the one of each judge."""

    pair: str
    truth: Verdict
    layerlens: Verdict
    strength: str | None
    allclose: BaselineResult
    torch: BaselineResult
    seconds: float
    baseline_seconds: float

    @property
    def wrong(self) -> bool:
        return self.layerlens != self.truth

    def is_wrong(self, result: BaselineResult) -> bool:
        """Return whether a baseline's result is wrong; an exception counts as not equal."""
        return (result == "equal") != (self.truth == "equivalent")


@dataclass(frozen=True)
class Known:
    """An entry of the truth table: a scenario of two models, and the true verdict."""

    name: str
    scenario: Scenario
    truth: Verdict


def truth_table(paths: list[Path]) -> list[Known]:
    files = [
        file
        for path in paths
        for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])
    ]
    return [
        Known(f"{file.stem}/{entry['id']}", scenario, entry["verdict"])
        for file in files
        for entry in YAML(typ="safe").load(file)
        for scenario in scenario_from_mapping(entry["scenario"], path=str(file))
    ]


def judge(table: list[Known], seed: int) -> list[Judged]:
    judged = []
    judge_with_allclose(table[0].scenario, table[0].scenario.candidates[0].name, "inference", seed)
    for number, known in enumerate(table, start=1):
        progress(f"seed {seed}: {number} of {len(table)}: {known.name}")
        started = time.perf_counter()
        pairs = run_scenario(known.scenario, RunOptions(seed=seed)).pairs
        seconds = (time.perf_counter() - started) / len(pairs)
        for pair in pairs:
            baseline = judge_with_allclose(known.scenario, pair.candidate, pair.mode, seed)
            judged.append(
                Judged(
                    f"{known.name}[{pair.mode}]",
                    known.truth,
                    pair.verdict,
                    pair.strength,
                    baseline.allclose,
                    baseline.torch,
                    round(seconds, 4),
                    round(baseline.seconds, 4),
                )
            )
    progress("")
    return judged


def unsteady(table: list[Known], first: list[Judged], seeds: range) -> dict[str, list[Answer]]:
    """Judge again under other seeds and return the pairs whose verdict or strength changed."""
    answers_of: dict[str, list[Answer]] = {
        row.pair: [(row.layerlens, row.strength)] for row in first
    }
    for number, known in enumerate(table, start=1):
        progress(f"{len(seeds)} more seeds: {number} of {len(table)}: {known.name}")
        for pair, answers in reseeded(known, seeds).items():
            answers_of[pair] += answers
    progress("")
    return {pair: answers for pair, answers in answers_of.items() if len(set(answers)) > 1}


def reseeded(known: Known, seeds: range) -> dict[str, list[Answer]]:
    """Return the answers for a scenario's pairs under each seed.

    The models are built for every seed, as in `run_scenario`. Their weights are then assigned to
    the models of the first seed, so that nothing has to be traced again.
    """
    answers: dict[str, list[Answer]] = {}
    with without_collection():
        built: dict[str, Built | Refused] = {}
        trial = Trial(known.scenario, RunOptions())
        for seed in seeds:
            trial = replace(trial, options=RunOptions(seed=seed))
            fresh = trial.variants.build_all()
            built = built or fresh
            for old, new in zip(built.values(), fresh.values(), strict=True):
                if isinstance(old, Built) and isinstance(new, Built):
                    KerasRunner(old).assign(KerasRunner(new).values())
            for decision in trial.decide(built):
                pair = decision.report
                answers.setdefault(f"{known.name}[{pair.mode}]", []).append(
                    (pair.verdict, pair.strength)
                )
    drop_kernels()
    return answers


@dataclass(frozen=True)
class Mutated:
    """The verdicts on the mutants of equivalent pairs."""

    caught: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    #: Changes that leave the function the same, called `equivalent` or not.
    harmless: list[str] = field(default_factory=list)
    harmless_called_wrong: list[str] = field(default_factory=list)


def mutate(table: list[Known]) -> Mutated:
    """Judge the mutants of each equivalent pair."""
    found = Mutated()
    count = 0
    for known in table:
        if known.truth != "equivalent":
            continue
        (candidate,) = known.scenario.candidates
        for change, mutant in mutants_of(known.scenario, candidate.name):
            count += 1
            progress(f"{count} mutants: {known.name}")
            verdicts = {pair.verdict for pair in run_scenario(mutant, RunOptions()).pairs}
            row = f"{known.name}: {change}: {', '.join(sorted(verdicts))}"
            same = verdicts == {"equivalent"}
            if change in HARMLESS.get(known.name, ()):
                (found.harmless if same else found.harmless_called_wrong).append(row)
            else:
                (found.missed if same else found.caught).append(row)
    progress("")
    return found


def share(text: str) -> tuple[int, int]:
    """Parse `2/4` as the second of four shares."""
    first, _, step = text.partition("/")
    try:
        found = (int(first), int(step))
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes K/N, such as 1/4; received {text!r}") from None
    if not 1 <= found[0] <= found[1]:
        raise argparse.ArgumentTypeError(f"takes K/N with 1 <= K <= N; received {text!r}")
    return found


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
    print(f"{len(judged)} pairs; rows are the true verdicts, columns the reported ones\n")
    print_matrix("layerlens", [(row.truth, row.layerlens) for row in judged], VERDICTS)
    strengths = Counter(row.strength for row in judged if row.strength)
    print("strength of equivalent: " + ", ".join(f"{n} {name}" for name, n in strengths.items()))
    print()
    print_matrix("numpy.allclose", [(row.truth, row.allclose) for row in judged], BASELINE_RESULTS)
    print_matrix("torch's tolerance", [(row.truth, row.torch) for row in judged], BASELINE_RESULTS)
    for name, wrong in [
        ("layerlens", sum(row.wrong for row in judged)),
        ("numpy.allclose", sum(row.is_wrong(row.allclose) for row in judged)),
        ("torch's tolerance", sum(row.is_wrong(row.torch) for row in judged)),
    ]:
        print(f"{name}: {wrong} of {len(judged)} wrong")
    cost = statistics.median(row.seconds for row in judged)
    plain = statistics.median(row.baseline_seconds for row in judged)
    print(
        f"a pair takes {cost:.3f} s (median); building both and predicting once with each "
        f"{plain:.3f} s: {cost / plain:.2f} times"
    )
    for row in judged:
        if row.wrong:
            print(f"WRONG {row.pair}: {row.layerlens}, but it is {row.truth}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Judge pairs with a known verdict.")
    parser.add_argument("paths", nargs="*", type=Path, default=[ROOT / "tests" / "truth"])
    parser.add_argument("--seeds", type=int, default=1, help="judge under this many seeds")
    parser.add_argument("--mutate", action="store_true", help="also change the equivalent pairs")
    parser.add_argument(
        "--share",
        type=share,
        default=(1, 1),
        metavar="K/N",
        help="take every Nth pair, from the Kth",
    )
    parser.add_argument("--output", type=Path, help="write every row as JSON here")
    options = parser.parse_args()

    warnings.simplefilter("ignore")  # Keras warns about unusual models
    first, step = options.share
    table = truth_table(options.paths)[first - 1 :: step]
    if not table:
        raise SystemExit("no pair with a known truth was found")
    judged = judge(table, seed=0)
    print_report(judged)
    failed = any(row.wrong for row in judged)
    figures: dict[str, object] = {"pairs": [asdict(row) for row in judged]}

    if options.seeds > 1:
        changed = unsteady(table, judged, range(1, options.seeds))
        turned = [pair for pair, answers in changed.items() if len({v for v, _ in answers}) > 1]
        print(
            f"{options.seeds} seeds: {len(turned)} verdicts changed, and the strength of "
            f"{len(changed) - len(turned)} that stayed"
        )
        for pair, answers in changed.items():
            words = Counter(" ".join(filter(None, answer)) for answer in answers)
            counted = ", ".join(f"{count} times {word}" for word, count in words.items())
            print(f"{'CHANGED' if pair in turned else 'STRENGTH'} {pair}: {counted}")
        failed = failed or bool(turned)
        figures["changed"] = changed
    if options.mutate:
        mutants = mutate(table)
        caught, total = len(mutants.caught), len(mutants.caught) + len(mutants.missed)
        print(f"mutants: {caught} of {total} caught ({caught / max(1, total):.1%})")
        print(f"changes without effect: {len(mutants.harmless)} called equivalent")
        for word, rows in ("MISSED", mutants.missed), ("WRONG", mutants.harmless_called_wrong):
            for row in rows:
                print(f"{word} {row}")
        failed = failed or bool(mutants.harmless_called_wrong)
        figures["mutants"] = asdict(mutants)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
