"""A Dask worker runs cells and returns their rows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run.dask.worker import Cells, run_cells
from layerlens.run.known import Tell
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.sweep import open_sweep
from layerlens.scenario.spec import Scenario

TEXT = """\
input: {shape: [4]}
models: {one: [Dense: "${units}"], other: [{Dense: "${units}"}, {Activation: "${name}"}]}
matrix: {name: [linear, relu], units: [1, 2, 3]}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(TEXT)
    return path


def test_cells_are_run_and_one_at_fault_costs_itself(path, backend):
    path.write_text(TEXT.replace("[1, 2, 3]", "[1, many, 3]"))
    ran = run_cells(Cells(open_sweep(path), (1, 3, 5)), RunOptions(timeout=300))
    assert not ran.stuck
    assert [ran.rows[number][0]["status"] for number in (1, 3, 5)] == [
        "error",
        "unchecked",
        "unchecked",
    ]
    (row,) = ran.rows[3]
    assert (row["verdict"], row["cell"]) == ("different", {"name": "relu", "units": 1})
    assert row["seconds"] > 0
    (fault,) = ran.rows[1]
    assert "integer" in fault["error"]
    assert fault["internal"] is False


def test_a_cell_that_does_not_end_is_told_and_the_rest_left(path, monkeypatch):
    def work(scenario: Scenario, *, tell: Tell) -> ScenarioReport:
        if scenario.cell == {"name": "linear", "units": 2}:
            time.sleep(5)
        return report(scenario.path)

    monkeypatch.setattr("layerlens.run.dask.worker.work_of", lambda *_: work)
    ran = run_cells(Cells(open_sweep(path), (0, 1, 2)), RunOptions(timeout=0.2))
    assert ran.stuck
    assert list(ran.rows) == [0, 1]
    assert "stopped after 0.2 s" in ran.rows[1][0]["error"]


def report(path: str = "s.yaml", status: str = "pass", modes: int = 2) -> ScenarioReport:
    pair = PairReport("one", "other", "inference", "equivalent", "tested", "", float("nan"))
    return ScenarioReport(path, "t", {"n": 1}, status, 1.0, pairs=(pair,) * modes)
