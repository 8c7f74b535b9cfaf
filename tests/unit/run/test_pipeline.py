"""Scenarios become one report: every verdict once, and what goes wrong is told beside the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest

from layerlens.errors import UsageError
from layerlens.run.pipeline import Progress, compare_paths, compare_scenarios, summarize_paths
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from tests.unit.tables.two_models import DENSE, scenario_of_two

pytestmark = pytest.mark.usefixtures("backend")

OPTIONS = RunOptions()


def test_a_fault_of_its_own_is_told_as_that_and_the_others_still_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide = Trial._decide

    def failing(self: Any, built: Any, candidate: str, mode: Any) -> Any:
        if self.scenario.title == "bad":
            built = None
        return decide(self, built, candidate, mode)

    monkeypatch.setattr(Trial, "_decide", failing)
    good = scenario_of_two([DENSE], [DENSE])
    report = compare_scenarios([replace(good, title="bad"), good], OPTIONS)
    assert report.status == "error"
    assert [one.status for one in report.scenarios] == ["error", "unchecked"]
    (error,) = report.scenarios[0].errors
    assert error.internal
    assert error.message.startswith("layerlens itself failed here: TypeError at trial.py:")


GOOD = "title: good\ninput: {shape: [4]}\nmodels: {one: [Dense: 3], other: [Dense: 3]}\n"


BAD = "title: bad\ninput: {shape: [4]}\nmodels: {one: [Dens: 3], other: [Dense: 3]}\n"


MATRIX = (
    "input: {shape: [4]}\nmodels: {one: [Dense: 3], other: [Dense: '${units}']}\n"
    "matrix: {units: [3, 2]}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"a.yaml": GOOD, "b.yaml": BAD, "c.yml": MATRIX}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_file_at_fault_does_not_keep_the_others_from_running(folder: Path) -> None:
    told: list[Progress] = []
    report = compare_paths([folder], OPTIONS, told.append)
    assert report.status == "error"
    assert [(Path(one.path).name, one.cell, one.status) for one in report.scenarios] == [
        ("a.yaml", None, "unchecked"),
        ("b.yaml", None, "error"),
        ("c.yml", {"units": 3}, "unchecked"),
        ("c.yml", {"units": 2}, "unchecked"),
    ]
    (error,) = report.scenarios[1].errors
    assert (Path(str(error.file)).name, error.line, error.column) == ("b.yaml", 3, 16)
    assert [one.pairs[0].verdict for one in report.scenarios[2:]] == [
        "equivalent",
        "shape_mismatch",
    ]
    assert [(one.done, one.total) for one in told] == [(0, 3), (1, 3), (2, 3)]


def test_the_expected_verdict_counts_where_a_file_has_none(folder: Path) -> None:
    wanted = RunOptions(expect="shape_mismatch")
    report = compare_paths([folder / "c.yml", folder / "a.yaml"], wanted)
    assert report.status == "fail"
    assert [one.status for one in report.scenarios] == ["fail", "pass", "fail"]


def test_a_path_without_scenarios_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        compare_paths([tmp_path], OPTIONS)


def test_summaries_take_saved_models_too(folder: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    (folder / "saved.json").write_text(model.to_json())
    report = summarize_paths([folder / "a.yaml", folder / "saved.json"], OPTIONS)
    assert report.status == "unchecked"
    assert [[model.params for model in one.models] for one in report.scenarios] == [[15, 15], [15]]
    assert all(one.pairs == () for one in report.scenarios)
