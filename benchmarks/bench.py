"""Time layerlens in whole processes against scripts written by hand, and print JSON.

Commands take turns, so that other load on the machine affects all of them alike. The figures are
medians, ranges and median ratios of neighbouring runs.

    python benchmarks/bench.py [PART ...] [--rounds 7] [--scenarios 1000] [--output FILE]
    python benchmarks/bench.py growth [--families residual gru] [--limit 180]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from equivalent_pairs import write_scenarios
from growth import FAMILIES, measure_growth
from processes import LAYERLENS, ROOT, Cost, comparison, in_turns, progress, run, spread

HERE = Path(__file__).resolve().parent
SCENARIO = str(ROOT / "scenarios" / "dense_vs_td.yaml")
PYTHON = sys.executable
#: The scenarios in a folder of a usual size.
FOLDER = 100


@dataclass(frozen=True)
class Setting:
    """The settings of a part of the benchmark, and an empty folder."""

    #: Runs of each command.
    rounds: int
    #: Scenarios of the memory part.
    scenarios: int
    folder: Path
    #: The most CPU seconds of one process of the growth part, and the families it measures.
    limit: float = 180.0
    families: tuple[str, ...] = ()

    def scenario_folder(self, count: int) -> str:
        path = self.folder / f"scenarios-{count}"
        return str(path if path.exists() else write_scenarios(path, count))


def cold(setting: Setting) -> dict[str, Any]:
    """Time one scenario from a cold start, against the script and the bare import of Keras."""
    costs = in_turns(
        {
            "layerlens": [*LAYERLENS, "compare", SCENARIO, "--no-cache"],
            "script": [PYTHON, str(HERE / "by_hand.py")],
            "import": [PYTHON, "-c", "import tensorflow, keras"],
        },
        setting.rounds,
    )
    return {
        **comparison(costs, "layerlens", "script"),
        "floor: import tensorflow, keras": spread([cost.wall for cost in costs["import"]]),
        "profile": profile("compare", SCENARIO, "--no-cache"),
    }


def marginal(setting: Setting) -> dict[str, Any]:
    """Time each further scenario of a folder, against two builds and two predicts by hand."""
    one, many = setting.scenario_folder(1), setting.scenario_folder(FOLDER)
    by_hand = str(HERE / "by_hand_many.py")
    alone = ["--no-cache", "--jobs", "1"]
    costs = in_turns(
        {
            "layerlens one": [*LAYERLENS, "compare", one, "--no-cache"],
            "layerlens": [*LAYERLENS, "compare", many, *alone],
            "script one": [PYTHON, by_hand, "1"],
            "script": [PYTHON, by_hand, str(FOLDER)],
        },
        max(3, setting.rounds // 2),
    )
    each = {
        name: [further(a, b) for a, b in zip(costs[f"{name} one"], costs[name], strict=True)]
        for name in ("layerlens", "script")
    }
    return {
        "unit": "seconds a scenario",
        **comparison(each, "layerlens", "script"),
        "profile": profile("compare", many, *alone),
    }


def further(one: Cost, many: Cost) -> Cost:
    count = FOLDER - 1
    return Cost((many.wall - one.wall) / count, (many.cpu - one.cpu) / count, many.peak_kib)


def rerun(setting: Setting) -> dict[str, Any]:
    """Time an unchanged file and an unchanged folder, both from the cache."""
    cache = ["--cache-dir", str(setting.folder / "cache")]
    many = setting.scenario_folder(FOLDER)
    commands = {
        "one file": [*LAYERLENS, "compare", SCENARIO, *cache],
        f"folder of {FOLDER}": [*LAYERLENS, "compare", many, *cache],
        "floor: python starts": [PYTHON, "-c", "pass"],
    }
    costs = in_turns(commands, setting.rounds)
    return {
        **{name: spread([cost.wall for cost in each]) for name, each in costs.items()},
        "profile": profile("compare", many, *cache),
    }


def light(setting: Setting) -> dict[str, Any]:
    """Time commands that build nothing."""
    commands = {
        "--help": [*LAYERLENS, "--help"],
        "schema": [*LAYERLENS, "schema"],
        "layers": [*LAYERLENS, "layers"],
        "floor: python starts": [PYTHON, "-c", "pass"],
    }
    costs = in_turns(commands, setting.rounds)
    return {
        **{name: spread([cost.wall for cost in each]) for name, each in costs.items()},
        "profile": profile("schema"),
    }


def pytest_start(setting: Setting) -> dict[str, Any]:
    """Time what the plugin adds to a run of pytest without scenarios."""
    project = setting.folder / "project"
    project.mkdir()
    (project / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    plain = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", project]
    costs = in_turns(
        {
            "with the plugin": [str(part) for part in plain],
            "without": [str(part) for part in [*plain, "-p", "no:layerlens"]],
        },
        2 * setting.rounds + 1,
    )
    figures = comparison(costs, "with the plugin", "without")
    added = [
        a.wall - b.wall for a, b in zip(costs["with the plugin"], costs["without"], strict=True)
    ]
    return {**figures, "added": spread(added)}


def summary(setting: Setting) -> dict[str, Any]:
    """Time the layer table of a decoder with 180 billion params, and measure its memory."""
    path = setting.folder / "large.yaml"
    path.write_text(json.dumps(large_model()))
    costs = in_turns(
        {
            "summary": [*LAYERLENS, "summary", str(path), "--no-cache"],
            "import": [PYTHON, "-c", "import tensorflow, keras"],
        },
        max(3, setting.rounds // 2),
    )
    shown = subprocess.run(
        [*LAYERLENS, "summary", str(path), "--format", "json", "--no-cache"],
        stdout=subprocess.PIPE,
        check=True,
    )
    (model,) = json.loads(shown.stdout)["scenarios"][0]["models"].values()
    return {
        "params": model["params"],
        **comparison(costs, "summary", "import"),
        "peak_mib": round(max(cost.peak_kib for cost in costs["summary"]) / 1024),
        "profile": profile("summary", str(path), "--no-cache"),
    }


def large_model(width: int = 13_696, blocks: int = 80) -> dict[str, Any]:
    """Return a decoder of the size of large language models, with 12 width² params a block."""
    nodes: dict[str, Any] = {}
    last = "input"
    for number in range(blocks):
        nodes |= {
            f"norm{number}": {"LayerNormalization": {}, "from": [last]},
            f"attention{number}": {
                "MultiHeadAttention": {"num_heads": 107, "key_dim": 128},
                "from": [f"norm{number}", f"norm{number}"],
            },
            f"added{number}": {"Add": {}, "from": [last, f"attention{number}"]},
            f"wide{number}": {
                "Dense": {"units": 4 * width, "activation": "gelu"},
                "from": [f"added{number}"],
            },
            f"narrow{number}": {"Dense": {"units": width}, "from": [f"wide{number}"]},
            f"block{number}": {"Add": {}, "from": [f"added{number}", f"narrow{number}"]},
        }
        last = f"block{number}"
    return {
        "title": "A decoder",
        "input": {"shape": [None, width]},
        "models": {"decoder": {"graph": nodes, "outputs": [last]}},
    }


def memory(setting: Setting) -> dict[str, Any]:
    """Measure the peak memory of a process over a tenth of the scenarios, and over all."""
    peaks: dict[int, int] = {}
    for count in (setting.scenarios // 10, setting.scenarios):
        progress(f"memory over {count} scenarios")
        command = [
            *LAYERLENS,
            "compare",
            setting.scenario_folder(count),
            "--format",
            "json",
            "--no-cache",
            "--jobs",
            "1",
        ]
        peaks[count] = run(command).peak_kib
    progress("")
    few, many = peaks
    return {
        "peak_mib": {str(count): round(kib / 1024, 1) for count, kib in peaks.items()},
        "growth": round(peaks[many] / peaks[few] - 1, 4),
        "kib_per_scenario": round((peaks[many] - peaks[few]) / (many - few), 1),
    }


def jobs(setting: Setting) -> dict[str, Any]:
    """Time a folder in one process and in two."""
    compare = [*LAYERLENS, "compare", setting.scenario_folder(FOLDER), "--no-cache", "--jobs"]
    costs = in_turns(
        {"--jobs 1": [*compare, "1"], "--jobs 2": [*compare, "2"]}, max(3, setting.rounds // 2)
    )
    return comparison(costs, "--jobs 1", "--jobs 2")


def growth(setting: Setting) -> dict[str, Any]:
    """Fit the exponents of CPU time and memory over the size of models, family by family."""
    folder = setting.folder / "growth"
    folder.mkdir()
    return measure_growth(folder, setting.limit, setting.families)


def runtimes(setting: Setting) -> dict[str, Any]:
    """Compare kinds of models, right and wrong, across the runtimes that are installed."""
    done = subprocess.run(
        [PYTHON, str(HERE / "runtimes.py")], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def profile(*arguments: str) -> dict[str, Any]:
    """Run a command once more under the sampling profiler and return its profile."""
    command = [PYTHON, str(HERE / "sampling.py"), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    figures: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return figures


PARTS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "cold": cold,
    "marginal": marginal,
    "rerun": rerun,
    "light": light,
    "pytest": pytest_start,
    "summary": summary,
    "memory": memory,
    "jobs": jobs,
    "growth": growth,
    "runtimes": runtimes,
}
#: These take long, and run only where they are named.
ONLY_BY_NAME = ("growth", "runtimes")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure layerlens, part by part.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=7, help="runs of each contestant")
    parser.add_argument("--scenarios", type=int, default=1000, help="scenarios of the memory part")
    parser.add_argument(
        "--limit", type=float, default=180.0, help="CPU seconds for each process of the growth part"
    )
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=(), metavar="FAMILY")
    parser.add_argument("--output", type=Path, help="also write the JSON to this file")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")

    figures: dict[str, Any] = {
        "machine": {
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "load": [round(load, 1) for load in os.getloadavg()],
            "python": platform.python_version(),
            **{name: version(name) for name in ("layerlens", "keras", "tensorflow", "numpy")},
        }
    }
    for part in options.parts or [part for part in PARTS if part not in ONLY_BY_NAME]:
        with tempfile.TemporaryDirectory(prefix="layerlens-bench-") as name:
            setting = Setting(
                options.rounds,
                options.scenarios,
                Path(name),
                options.limit,
                tuple(options.families),
            )
            figures[part] = PARTS[part](setting)
        if options.output:  # after each part, so that an interrupt loses one part only
            options.output.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
