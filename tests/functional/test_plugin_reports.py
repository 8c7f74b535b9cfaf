"""The failures that pytest shows, in one process and in several."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
#: Every warning is an error; hypothesis' plugin, which has warnings of its own, is off.
STRICT = ("-W", "error", "-p", "no:hypothesispytest")

SHAPES = """\
title: Every step, or the last
input: {shape: [6, 4]}
models:
  every:
    - GRU: {units: 3, return_sequences: true}
  last:
    - GRU: 3
expect:
  verdicts: {last: equivalent}
  models:
    every: {params: 81}
    last:
      params: 82          # line 12
      layers: {gru: {params: 81}, dense: {params: 1}}
"""
VALUES = """\
title: ReLU or not
input: {shape: [4]}
models:
  relu: [{Dense: {units: 3, activation: relu}}]
  linear: [Dense: 3]
expect: {verdicts: {linear: equivalent}, models: {linear: {error: "ndim"}}}
"""
CODE = """\
input: {shape: [4]}
models: {one: [Dense: 3], two: {python: "somewhere:make"}}
expect: {verdicts: {two: equivalent}}
"""
#: Replaces runs: every model has 81 params, and every pair differs. Records runs and processes.
PRETENDED = """\
import os
import pytest
import layerlens.run.scenario
from layerlens.run.expectations import check_expectations
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport

def run_scenario(scenario, options):
    with open(os.environ["NOTES"], "a") as notes:
        print(os.path.basename(scenario.path), os.getpid(), options.seed, scenario.tolerance,
              file=notes)
    models = [ModelReport(m.name, 81, 81, 0, (None, 3), ()) for m in scenario.models]
    pairs = [PairReport(scenario.reference, m.name, "inference", "different", None, "They differ.")
             for m in scenario.candidates]
    rows = check_expectations(scenario, models, pairs)
    return ScenarioReport(scenario.path, scenario.title, None, "fail", 0.0, models=tuple(models),
                          pairs=tuple(pairs), expectations=rows)

layerlens.run.scenario.run_scenario = run_scenario
"""


@pytest.fixture
def scenarios(pytester: pytest.Pytester) -> Path:
    folder = pytester.mkdir("scenarios")
    (folder / "shapes.yaml").write_text(SHAPES)
    (folder / "values.yaml").write_text(VALUES)
    return folder


@pytest.fixture
def notes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the run of scenarios, and record which are run."""
    pytester.makeconftest(PRETENDED)
    path = pytester.path / "notes.txt"
    monkeypatch.setenv("NOTES", str(path))
    return path


def section(result: pytest.RunResult, heading: str) -> str:
    """Return the text below a heading of pytest, up to the next one or to captured output."""
    text = result.stdout.str()
    found = re.search(
        rf"^_+ {re.escape(heading)} _+\n(.*?)(?=^_{{3,}} |^={{3,}}|^-{{3,}} Captured)",
        text,
        re.M | re.S,
    )
    assert found, text
    return found[1]


def test_failures_are_reports(pytester: pytest.Pytester, scenarios: Path) -> None:
    (scenarios / "code.yaml").write_text(CODE)
    arguments = ["scenarios", *STRICT, "--junitxml=junit.xml", "-k", "not linear.error"]
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=2, failed=4, errors=1)
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:*")

    verdict = section(result, "shapes.yaml: every==last[inference]")
    assert "✘ every==last[inference]: expected equivalent, received shape_mismatch" in verdict
    assert re.search(r"every \(reference\) +output shape +params\n  gru \(GRU\) .* 81\n", verdict)
    assert "≠ last: return_sequences: true → false; output (None, 3)" in verdict
    answer = verdict.index("✘ last against every: SHAPE MISMATCH, expected equivalent")
    assert answer < verdict.index("every (reference)"), "the answer comes before the table"
    assert verdict.endswith("reproduce it: layerlens compare scenarios/shapes.yaml\n")

    count = section(result, "shapes.yaml: last.params")
    assert "✘ last.params: expected 82, received 81" in count
    assert "3 gates × (4 inputs × 3 units +" in count
    assert "SHAPE MISMATCH" not in count
    assert "expected 1, received no such layer" in section(
        result, "shapes.yaml: last.layers.dense.params"
    )

    values = section(result, "values.yaml: relu==linear[inference]")
    assert "✘ linear against relu: DIFFERENT, expected equivalent" in values
    assert "counterexample  simplified from probe" in values
    for told in ("rounding        explains up to", "input (1, 4) = [["):
        assert told in values
    assert "output shape" not in values

    error = section(result, "ERROR at setup of code.yaml: one==two[inference]")
    told = " ".join(error.split())
    assert "✘ scenarios/code.yaml:2:27: LL405 model `two` runs the Python code `somewhere" in told
    assert "`layerlens_allow_code = true`" in error
    result.stdout.fnmatch_lines(
        [
            "FAILED scenarios/shapes.yaml::last.params - expected 82, received 81",
            "ERROR scenarios/code.yaml::one==two[[]inference[]] - model `two` runs the*",
        ]
    )
    cases = list(ElementTree.parse(pytester.path / "junit.xml").iter("testcase"))
    assert len(cases) == 7
    (failure,) = [case[0] for case in cases if case.get("name") == "last.params"]
    assert failure.get("message") == "expected 82, received 81"
    assert failure.text == count

    again = pytester.runpytest_subprocess("--lf", "--collect-only", "-q", "scenarios")
    assert sum("::" in line for line in again.outlines) == 5


@pytest.mark.parametrize(
    ("how", "processes"),
    [(["--dist", "loadfile"], 1), pytest.param(["--dist", "load"], 2, marks=pytest.mark.nightly)],
)
def test_the_tests_of_a_process_share_a_run(
    pytester: pytest.Pytester, scenarios: Path, notes: Path, how: list[str], processes: int
) -> None:
    result = pytester.runpytest_subprocess("-n", "2", "--strict-markers", *how, "scenarios")
    result.assert_outcomes(passed=1, failed=6)
    runs = [line.split()[:2] for line in notes.read_text().splitlines()]
    assert len({tuple(run) for run in runs}) == len(runs), "once in each process"
    by_file = Counter(name for name, _ in runs)
    assert set(by_file) == {"shapes.yaml", "values.yaml"}
    assert max(by_file.values()) <= processes


def test_the_tests_of_a_file_are_a_group_to_xdist(
    pytester: pytest.Pytester, scenarios: Path
) -> None:
    pytester.makeconftest(
        "def pytest_collection_modifyitems(items):\n"
        "    marks = [item.get_closest_marker('xdist_group') for item in items]\n"
        "    print('groups:', sorted({mark.args[0] for mark in marks}))\n"
    )
    result = pytester.runpytest_subprocess("scenarios", "--collect-only", "--strict-markers")
    result.stdout.fnmatch_lines(["groups: [[]'scenarios/shapes.yaml', 'scenarios/values.yaml'[]]"])


def test_settings_reach_the_run_in_one_process_and_in_workers(
    pytester: pytest.Pytester, scenarios: Path, notes: Path
) -> None:
    pytester.makeini(
        "[pytest]\nlayerlens_scenarios = scenarios\nlayerlens_seed = 7\n"
        "layerlens_tolerance = 1e-3 1e-4\ntestpaths = tests\n"
    )
    (scenarios / "values.yaml").write_text(VALUES + "tolerance: {rtol: 0, atol: 0.5}\n")
    elsewhere = pytester.mkdir("tests") / "other.yaml"
    elsewhere.write_text(SHAPES)
    for distributed in ([], ["-n", "1"]):
        result = pytester.runpytest_subprocess(*distributed)
        result.assert_outcomes(passed=1, failed=6)
        result.stdout.fnmatch_lines(
            [
                "reproduce it: layerlens compare scenarios/shapes.yaml --seed 7 (here the*",
                "  tolerance is rtol 0.001, atol 0.0001, from layerlens_tolerance)",
            ]
        )
        noted = notes.read_text().splitlines()
        notes.unlink()
        told = [(line.split()[0], line.split(maxsplit=2)[2]) for line in noted]
        assert told == [
            ("shapes.yaml", "7 Tolerance(rtol=0.001, atol=0.0001)"),
            ("values.yaml", "7 Tolerance(rtol=0.0, atol=0.5)"),
        ]


@pytest.mark.nightly
def test_colour_width_and_verbosity_are_those_of_pytest(
    pytester: pytest.Pytester, scenarios: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(*arguments: str, columns: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        one = "scenarios/shapes.yaml::every==last[inference]"
        return pytester.runpytest_subprocess(one, *arguments).stdout.str()

    plain = shown()
    assert "\x1b" not in plain
    for arguments in (["--color=yes"], ["--color=yes", "-n", "1", "--junitxml=junit.xml"]):
        assert "\x1b[1;31mDIFFERENT\x1b[0m" in shown(*arguments)
    assert "\x1b" not in (pytester.path / "junit.xml").read_text()

    table = "output shape"
    (pytester.path / "scenarios/shapes.yaml").write_text(
        SHAPES.replace("equivalent", "shape_mismatch")
    )
    narrow = shown("-n", "1", columns=50)
    assert "[inference]: expected shape_mismatch,\n  received different\n" in narrow
    assert "expected shape_mismatch, received different" in shown("--tb=line")
    short, normal, whole = (shown(*how) for how in (["--tb=short"], [], ["-vv"]))
    assert table not in short
    assert "They differ." in short
    assert "every (reference)" in normal
    assert "Every step, or the last\nscenarios/shapes.yaml · fail" in whole
    assert "scenarios/shapes.yaml · fail" not in normal
