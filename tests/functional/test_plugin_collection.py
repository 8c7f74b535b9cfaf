"""Which scenario files become tests, under what names, and at what cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SCENARIO = """\
title: Dense or TimeDistributed
input: {shape: [6, 4]}
models:
  td:
    - GRU: {units: 3, return_sequences: true}
    - TimeDistributed: {layer: {Dense: {units: 2}}}
  dense:
    - GRU: {units: 3, return_sequences: true}
    - Dense: 2
expect:
  verdicts: {dense: equivalent}
  models:
    td: {params: 89, layers: {gru: {output_shape: [null, 6, 3]}}}
"""
MATRIX = """\
input: {shape: [4]}
matrix: {units: [2, 3], name: [relu, "a b"]}
modes: [inference, training]
models:
  one: [Dense: "${units}"]
  two: [Dense: "${units}"]
expect:
  verdicts: {two: {training: equivalent}}
  models: {one: {output_shape: [null, "${units}"]}}
"""
#: Prints, when a run ends, the modules that it has imported.
TELL_MODULES = """\
import sys

def pytest_unconfigure():
    names = ("layerlens.report", "pydantic", "ruamel", "rich", "numpy", "pandas", "keras",
             "tensorflow")
    print("imported:", [name for name in names if name in sys.modules])
"""


@pytest.fixture
def scenarios(pytester: pytest.Pytester) -> Path:
    """Write a folder with scenarios and other YAML files, and a test module next to it."""
    folder = pytester.mkdir("scenarios")
    (folder / "dense_vs_td.yaml").write_text(SCENARIO)
    (folder / "matrix.yml").write_text(MATRIX)
    (folder / "nothing_expected.yaml").write_text(SCENARIO.partition("expect:")[0])
    (folder / "dbt.yml").write_text("version: 2\nmodels:\n  - name: orders\n")
    (folder / "damaged.yaml").write_text("services: [\n")
    pytester.makepyfile(test_other="def test_other(): pass")
    pytester.makeconftest(TELL_MODULES)
    return folder


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


EXPECTATIONS = [
    "scenarios/dense_vs_td.yaml::td==dense[inference]",
    "scenarios/dense_vs_td.yaml::td.params",
    "scenarios/dense_vs_td.yaml::td.layers.gru.output_shape",
]


def test_ids_of_scenarios_and_files_that_are_not_collected(
    pytester: pytest.Pytester, scenarios: Path
) -> None:
    result = pytester.runpytest_subprocess("scenarios", "--collect-only", "-q", "--strict-markers")
    cells = ["units=2-name=relu", "units=2-name=a b", "units=3-name=relu", "units=3-name=a b"]
    assert ids(result) == EXPECTATIONS + [
        f"scenarios/matrix.yml::{name}"
        for cell in cells
        for name in (f"one==two[training-{cell}]", f"one.output_shape[{cell}]")
    ]
    assert result.ret == 0
    imported = next(line for line in result.outlines if line.startswith("imported:"))
    assert "pydantic" in imported
    assert "keras" not in imported
    assert "tensorflow" not in imported


@pytest.mark.parametrize(
    ("ini", "arguments", "found"),
    [
        ("", [], ["test_other.py::test_other"]),
        pytest.param("", ["scenarios/dense_vs_td.yaml"], EXPECTATIONS, marks=pytest.mark.nightly),
        pytest.param(
            "", ["test_other.py"], ["test_other.py::test_other"], marks=pytest.mark.nightly
        ),
        pytest.param(
            "layerlens_scenarios = scenarios",
            ["test_other.py"],
            ["test_other.py::test_other"],
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "", [".", "-m", "layerlens", "-k", "dense"], EXPECTATIONS, marks=pytest.mark.nightly
        ),
        ("", [".", "-m", "not layerlens"], ["test_other.py::test_other"]),
        ("", ["scenarios/dense_vs_td.yaml::td==dense[inference]"], EXPECTATIONS[:1]),
        pytest.param(
            "", ["scenarios", "-k", "params"], EXPECTATIONS[1:2], marks=pytest.mark.nightly
        ),
        ("layerlens_scenarios = scenarios", ["-k", "dense"], EXPECTATIONS),
        pytest.param(
            "layerlens_scenarios = scenarios\ntestpaths = unit",
            ["-k", "dense"],
            EXPECTATIONS,
            marks=pytest.mark.nightly,
        ),
        ("", [".", "-p", "no:layerlens"], ["test_other.py::test_other"]),
    ],
)
def test_the_places_that_are_searched(
    pytester: pytest.Pytester, scenarios: Path, ini: str, arguments: list[str], found: list[str]
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.mkdir("unit")
    result = pytester.runpytest_subprocess(*arguments, "--collect-only", "-q")
    assert ids(result) == found
    assert result.ret == 0


def test_names_with_the_separators_of_ids(pytester: pytest.Pytester) -> None:
    (pytester.mkdir("scenarios") / "odd.yaml").write_text(
        "input: {shape: [4]}\n"
        "matrix: {n: [2, 2, [3], 'x::y']}\n"
        'models: {"a::()[b": [Dense: 3], "two\\nlines é": [Dense: 3]}\n'
        'expect: {models: {"a::()[b": {params: 15}, "two\\nlines é": {params: 15}}}\n'
    )
    result = pytester.runpytest_subprocess("scenarios", "--collect-only", "-q")
    assert ids(result) == [
        f"scenarios/odd.yaml::{name}.params[n={value}"
        for value in ("2]", "2]-2", "[3]]", "x:y]")
        for name in ("a:()[b", "two\\nlines é")
    ]


def test_malformed_scenarios_are_collection_errors(
    pytester: pytest.Pytester, scenarios: Path
) -> None:
    (scenarios / "dense_vs_td.yaml").write_text(SCENARIO.replace("Dense: 2", "Dens: 2"))
    (scenarios / "matrix.yml").write_text('{"input": {"shape": [4}, "models": {}}\n')
    result = pytester.runpytest_subprocess("scenarios")
    result.stdout.fnmatch_lines(
        [
            "*ERROR collecting scenarios/dense_vs_td.yaml*",
            "scenarios/dense_vs_td.yaml:9:7: LL301 unknown layer `Dens`",
            "  hint: did you mean `Dense`?*",
            "*ERROR collecting scenarios/matrix.yml*",
            "scenarios/matrix.yml:1:*: LL101 this is not valid YAML*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*layerlens/*.py*")
    result.assert_outcomes(errors=2)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("layerlens_scenarios=nowhere", "layerlens_scenarios takes existing folders*nowhere"),
        ("layerlens_seed=-3", "layerlens_seed takes an integer of at least 0*-3*"),
        (
            "layerlens_seed=much",
            "layerlens_seed takes an integer of at least 0: received 'much'",
        ),
        ("layerlens_allow_code=maybe", "layerlens_allow_code takes true or false*maybe*"),
        ("layerlens_tolerance=1e-5", "layerlens_tolerance takes rtol and atol*'1e-5'*"),
        ("layerlens_tolerance=nan 1", "layerlens_tolerance takes rtol and atol*'nan 1'*"),
        ("layerlens_backend=jax", "layerlens_backend takes 'tensorflow'*'jax'*"),
    ],
)
def test_wrong_settings_are_usage_errors(
    pytester: pytest.Pytester, setting: str, message: str
) -> None:
    pytester.makeini("[pytest]\n")  # without one, pytest 8.0 fails at any relative folder
    result = pytester.runpytest_subprocess("-o", setting)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{message}"])


def test_updating_in_several_processes_is_refused(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-n", "2", "--layerlens-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --layerlens-update does not work with several processes*"])
    # With -n 0 there is one process, which may update.
    result = pytester.runpytest_subprocess("-n", "0", "--layerlens-update")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_strict_fails_where_nothing_is_expected_or_decided(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("scenarios")
    head = "input: {shape: [4]}\nmodels: {one: [ReLU], two: [ReLU], three: [ReLU]}\n"
    (folder / "nothing.yaml").write_text(head)
    graded = "{verdict: equivalent, strength: certified}"
    (folder / "some.yaml").write_text(f"{head}expect: {{verdicts: {{two: {graded}}}}}\n")
    lenient = pytester.runpytest_subprocess("--collect-only", "-q", "scenarios")
    assert ids(lenient) == ["scenarios/some.yaml::one==two[inference]"]
    strict = pytester.runpytest_subprocess("-v", "--layerlens-strict", "scenarios")
    strict.assert_outcomes(passed=2, failed=1)
    strict.stdout.fnmatch_lines(
        [
            "scenarios/some.yaml::one==two[[]inference[]] PASSED*",
            "scenarios/some.yaml::one==three[[]inference[]] PASSED*",
            "FAILED scenarios/nothing.yaml::expect - *expects nothing*",
        ]
    )


# --- what it costs those who have no scenarios ----------------------------------------------------


def test_a_run_without_scenarios_imports_nothing_heavy(
    pytester: pytest.Pytester, scenarios: Path
) -> None:
    (scenarios / "dense_vs_td.yaml").unlink()
    (scenarios / "matrix.yml").unlink()
    (scenarios / "nothing_expected.yaml").unlink()
    result = pytester.runpytest_subprocess(".")
    result.stdout.fnmatch_lines(["imported: []"])
    result.assert_outcomes(passed=1)
    pytester.makeconftest(TELL_MODULES + "import pandas\n")
    result = pytester.runpytest_subprocess("test_other.py")
    result.stdout.fnmatch_lines(["imported: *'numpy', 'pandas'*"])


STARTING = """\
import time, pytest
started = time.process_time()
import {module}
print(1000 * (time.process_time() - started))
"""
#: CPU time in ms, which does not depend on other load on the machine.
MOST = 30


def start_up(module: str) -> float:
    """Return the smallest of a few measurements."""
    return min(
        float(subprocess.check_output([sys.executable, "-c", STARTING.format(module=module)]))
        for _ in range(3)
    )


def test_loading_the_plugin_is_fast() -> None:
    assert start_up("layerlens.testing.plugin") < MOST
    assert (
        start_up("layerlens.testing.collect, layerlens.scenario.reading.scenarios, pandas") > MOST
    )
