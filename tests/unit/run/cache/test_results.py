"""Results are told again where nothing changed that they depend on, and only there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerlens.errors import MemoryLimitError
from layerlens.report.layers import ModelError, ModelReport
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run import pipeline
from layerlens.run.cache import environment_key
from layerlens.run.cache.results import ResultCache
from layerlens.run.expectations import check_expectations
from layerlens.run.known import Tell
from layerlens.run.pipeline import compare_paths
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario

pytestmark = pytest.mark.usefixtures("nothing_registered")

TEXT = """\
title: One
input: {shape: [4]}
models: {one: [Dense: 3], other: [Dense: 3]}
matrix: {n: [1, 2]}
expect: {verdicts: {other: equivalent}}
"""


class Runs:
    """Stands in for the run of a scenario; counts, and answers with what it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.message: str | None = None
        self.raises: MemoryLimitError | None = None

    def __call__(self, scenario: Scenario, *, tell: Tell) -> ScenarioReport:
        self.count += 1
        refusal = ModelError("dense", self.message) if self.message else None
        models = (ModelReport("one", 15, 15, 0, (None, 3), (), refusal),)
        pairs = (PairReport("one", "other", "inference", "equivalent", "tested", "", float("nan")),)
        held = pipeline.fault_report  # the real one, for what goes wrong
        if self.raises:
            return held(scenario.path, scenario.title, self.raises, scenario.cell, 0.0)
        cell = dict(scenario.cell) if scenario.cell is not None else None
        title = scenario.title
        rows = check_expectations(scenario, models, pairs)
        return ScenarioReport(
            scenario.path, title, cell, "pass", 1.5, models=models, pairs=pairs, expectations=rows
        )


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    monkeypatch.setattr("layerlens.run.workers.dispatch.work_of", lambda *_: runs)
    return runs


@pytest.fixture
def again(tmp_path: Path) -> Callable[..., Any]:
    """`again(path)` is a run of its own, with the cache as the last one left it."""

    def run(*paths: Path, allowed: list[str] | None = None, **choices: Any) -> Any:
        told: list[str] = []
        options = RunOptions(**choices)
        with closing(ResultCache(tmp_path / "cache", options, "compare", told.append)) as cache:
            report = compare_paths(paths, options, cache=cache)
        assert told == (allowed or [])
        return report

    return run


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(TEXT)
    return path


def test_an_unchanged_file_is_told_again_without_being_parsed(runs, again, scenario, monkeypatch):
    first = again(scenario)
    assert runs.count == 2
    assert not any(one.cached for one in first.scenarios)
    monkeypatch.setattr("layerlens.scenario.reading.scenarios.read_scenarios", None)
    second = again(scenario)
    assert runs.count == 2
    assert all(one.cached for one in second.scenarios)
    assert [one.seconds for one in second.scenarios] == [1.5, 1.5]
    unmarked = [replace(one, cached=False).to_dict() for one in second.scenarios]
    assert unmarked == [one.to_dict() for one in first.scenarios]
    assert json.loads(second.to_json())["scenarios"][0]["cached"] is True


def test_a_file_spelt_anew_elsewhere_is_read_and_not_run(runs, again, scenario, tmp_path):
    again(scenario)
    other = tmp_path / "elsewhere.yaml"
    other.write_text("# as before\n" + TEXT.replace("title: One", "title: Two"))
    report = again(other)
    assert runs.count == 2
    assert [(one.path, one.title) for one in report.scenarios] == [(str(other), "Two")] * 2
    assert report.scenarios[0].cached


def test_expectations_are_held_anew(runs, again, scenario):
    again(scenario)
    scenario.write_text(TEXT.replace("other: equivalent", "other: different"))
    report = again(scenario)
    assert runs.count == 2
    assert report.status == "fail"
    assert again(scenario).status == "fail"  # and from the page as well
    scenario.write_text(TEXT.partition("expect")[0])
    assert again(scenario).status == "unchecked"
    assert again(scenario, expect="different").status == "fail"
    assert again(scenario, strict=True).status == "fail"
    assert again(scenario).status == "unchecked"
    assert runs.count == 2


@pytest.mark.parametrize("choice", [{"seed": 1}, {"deps": True}, {"allow_code": True}], ids=str)
def test_options_that_change_the_result_count(choice, runs, again, scenario):
    again(scenario)
    again(scenario, **choice)
    assert runs.count == 4
    again(scenario, **choice)
    again(scenario, jobs=1, timeout=10.0)
    assert runs.count == 4


CHANGED = {
    "keras": {"versions": {"keras": "3.0.0"}},
    "another keras": {"packages": {"keras": ["/elsewhere/keras/__init__.py", 1, 2]}},
    "layerlens": {"layerlens": ["0.0.0", "code"]},
    "processor": {"processor": [1, "a feature less"]},
    "variables": {"variables": {"TF_ENABLE_ONEDNN_OPTS": "0"}},
}


@pytest.mark.parametrize("change", CHANGED)
def test_surroundings_count(change, runs, again, scenario, monkeypatch):
    again(scenario)
    told = {**environment_key.result_environment(), **CHANGED[change]}
    monkeypatch.setattr("layerlens.run.cache.results.result_environment", lambda: told)
    assert not again(scenario).scenarios[0].cached
    assert runs.count == 4


def test_errors_are_never_kept(runs, again, scenario):
    runs.raises = MemoryLimitError("needs 9 TB")
    assert again(scenario).status == "error"
    runs.raises = None
    runs.message = "ResourceExhaustedError: OOM when allocating a tensor"
    assert not again(scenario).scenarios[0].cached
    runs.message = "expected 3 axes"
    assert not again(scenario).scenarios[0].cached
    assert runs.count == 6
    assert again(scenario).scenarios[0].cached  # what Keras refuses is a result


def test_a_file_that_changes_while_it_is_run_leaves_nothing(runs, again, tmp_path, monkeypatch):
    (tmp_path / "saved.json").write_text("{}")
    path = tmp_path / "saved.yaml"
    path.write_text("models: {one: {file: saved.json}, other: {file: saved.json}}\n")

    def change_and_run(scenario: Scenario, *, tell: Tell) -> ScenarioReport:
        (tmp_path / "saved.json").write_text(f'{{"changed": {runs.count}}}')
        return runs(scenario, tell=tell)

    monkeypatch.setattr("layerlens.run.workers.dispatch.work_of", lambda *_: change_and_run)
    again(path)
    monkeypatch.setattr("layerlens.run.workers.dispatch.work_of", lambda *_: runs)
    assert not again(path).scenarios[0].cached
    assert again(path).scenarios[0].cached
    (tmp_path / "saved.json").write_text('{"changed": "again"}')
    assert not again(path).scenarios[0].cached
    (tmp_path / "saved.json").unlink()
    assert again(path).status == "error"


def test_code_is_run_every_time(runs, again, tmp_path):
    path = tmp_path / "code.yaml"
    path.write_text(TEXT.replace("one: [Dense: 3]", 'one: {python: "model:build"}'))
    again(path, allow_code=True)
    again(path, allow_code=True)
    assert runs.count == 4


def test_a_run_that_writes_scripts_runs_everything(runs, again, scenario, tmp_path):
    again(scenario)
    with closing(ResultCache(tmp_path / "cache", RunOptions(), "compare", pytest.fail)) as cache:
        compare_paths([scenario], RunOptions(), on_script=lambda *_: None, cache=cache)
    assert runs.count == 4


def test_a_damaged_cache_is_told_and_everything_run(runs, again, scenario, tmp_path):
    again(scenario)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(os.urandom(path.stat().st_size))
    told: list[str] = []
    with closing(ResultCache(tmp_path / "cache", RunOptions(), "compare", told.append)) as cache:
        compare_paths([scenario], RunOptions(), cache=cache)
    assert len(told) == 1
    assert runs.count == 4
    assert again(scenario).scenarios[0].cached
