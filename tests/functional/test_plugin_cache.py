"""The plugin runs every scenario, unless the configuration allows the cache."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SCENARIO = """\
input: {shape: [4]}
models: {one: [Dense: 3], other: [Dense: 3]}
expect: {verdicts: {other: equivalent}}
"""
#: Replaces and counts the runs of scenarios.
CONFTEST = """\
import layerlens.run.scenario
from pathlib import Path
from layerlens.run.expectations import check_expectations
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport

def run_scenario(scenario, options):
    with Path("runs.txt").open("a") as runs:
        runs.write("run\\n")
    pairs = (PairReport("one", "other", "inference", "equivalent", "tested", ""),)
    rows = check_expectations(scenario, (), pairs)
    return ScenarioReport(scenario.path, scenario.title, None, "pass", 1.0,
                          pairs=pairs, expectations=rows)

layerlens.run.scenario.run_scenario = run_scenario
"""


@pytest.mark.parametrize(
    ("ini", "runs"),
    [pytest.param("", 2, marks=pytest.mark.nightly), ("layerlens_cache = true\n", 1)],
)
def test_the_cache_is_used_only_if_it_is_allowed(pytester, monkeypatch, ini, runs):
    monkeypatch.setenv("LAYERLENS_CACHE_DIR", str(pytester.path / "cache"))
    pytester.makefile(".ini", pytest="[pytest]\nlayerlens_scenarios = .\n" + ini)
    pytester.makeconftest(CONFTEST)
    (pytester.path / "pair.yaml").write_text(SCENARIO)
    for _ in "12":
        pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)
    assert (pytester.path / "runs.txt").read_text().count("run") == runs
    assert (pytester.path / "cache").exists() == bool(ini)
