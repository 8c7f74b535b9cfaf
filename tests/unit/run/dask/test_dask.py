"""Cells become rows, rows a Parquet file: each once, whoever dies in between."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerlens.errors import ScenarioError
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run.dask.parquet import ParquetTable
from layerlens.run.dask.worker import Cells, rows_of, run_cells
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import read_scenarios
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


# --- sweeps ---------------------------------------------------------------------------------------


def test_cells_are_those_of_the_file_in_its_order(path):
    sweep = open_sweep(path)
    assert sweep.total == 6
    assert [sweep.scenario(number) for number in range(6)] == list(read_scenarios(path))


def test_a_file_without_a_matrix_has_one_cell(path):
    path.write_text("input: {shape: [4]}\nmodels: {one: [Dense: 3], other: [Dense: 3]}\n")
    sweep = open_sweep(path)
    assert (sweep.total, sweep.scenario(0)) == (1, read_scenarios(path)[0])


def test_any_number_of_cells_takes_no_memory_before_they_are_run(path):
    many = ", ".join(map(str, range(1, 101)))
    axes = ", ".join(f"{name}: [{many}]" for name in ("units", "b", "c", "d"))
    path.write_text(TEXT.partition("matrix")[0] + f"matrix: {{name: [relu], {axes}}}\n")
    tracemalloc.start()
    try:
        sweep = open_sweep(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sweep.total == 10**8
    assert sweep.scenario(10**8 - 2).cell == {
        "name": "relu", "units": 100, "b": 100, "c": 100, "d": 99
    }  # fmt: skip
    assert peak < 20 * 2**20
    with pytest.raises(ScenarioError, match="at most 10,000 are run"):
        read_scenarios(path)


def test_faults_of_the_file_and_of_its_ends_are_told_at_once(path):
    path.write_text(TEXT.replace("[1, 2, 3]", "[1, 2, many]"))
    with pytest.raises(ScenarioError, match="whole number"):
        open_sweep(path)
    path.write_text(TEXT.replace("models", "modles"))
    with pytest.raises(ScenarioError, match="modles"):
        open_sweep(path)


# --- what a worker does ---------------------------------------------------------------------------


def test_cells_are_run_and_one_at_fault_costs_itself(path, backend):
    path.write_text(TEXT.replace("[1, 2, 3]", "[1, many, 3]"))
    ran = run_cells(Cells(open_sweep(path), (1, 3, 5)), RunOptions(timeout=300))
    assert not ran.stuck
    assert [ran.rows[number][0]["status"] for number in (1, 3, 5)] == ["error", "pass", "pass"]
    (row,) = ran.rows[3]
    assert (row["verdict"], row["cell"]) == ("different", {"name": "relu", "units": 1})
    assert row["seconds"] > 0
    (fault,) = ran.rows[1]
    assert "whole number" in fault["error"]
    assert fault["internal"] is False


def test_a_cell_that_does_not_end_is_told_and_the_rest_left(path, monkeypatch):
    def work(scenario: Scenario) -> ScenarioReport:
        if scenario.cell == {"name": "linear", "units": 2}:
            time.sleep(5)
        return report(scenario.path)

    monkeypatch.setattr("layerlens.run.dask.worker.work_of", lambda *_: work)
    ran = run_cells(Cells(open_sweep(path), (0, 1, 2)), RunOptions(timeout=0.2))
    assert ran.stuck
    assert list(ran.rows) == [0, 1]
    assert "stopped after 0.2 s" in ran.rows[1][0]["error"]


# --- the file -------------------------------------------------------------------------------------


def report(path: str = "s.yaml", status: str = "pass", modes: int = 2) -> ScenarioReport:
    pair = PairReport("one", "other", "inference", "equivalent", "tested", "", float("nan"))
    return ScenarioReport(path, "t", {"n": 1}, status, 1.0, pairs=(pair,) * modes)


def numbers(path: Path) -> list[tuple[str, int]]:
    table = pq.read_table(path)
    return list(zip(table["sweep"].to_pylist(), table["cell_number"].to_pylist(), strict=True))


def test_rows_become_one_file(tmp_path):
    output = tmp_path / "r.parquet"
    sheet = ParquetTable(output, {"a": 2, "b": 1})
    assert list(sheet.left("a")) == [0, 1]
    sheet.add("a", 1, rows_of(report()))
    sheet.add("a", 1, rows_of(report()))  # heard twice
    sheet.add("b", 0, rows_of(report(status="fail", modes=1)))
    assert list(sheet.left("a")) == [0]
    sheet.add("a", 0, rows_of(report()))
    sheet.finish()
    assert (sheet.done(), dict(sheet.counts)) == (3, {"pass": 2, "fail": 1})
    assert sorted(numbers(output)) == [("a", 0)] * 2 + [("a", 1)] * 2 + [("b", 0)]
    assert list(tmp_path.iterdir()) == [output]
    (row, *_) = pq.read_table(output).to_pylist()
    assert (row["cell"], row["verdict"], row["also_differs"]) == ('{"n": 1}', "equivalent", [])
    assert row["max_abs"] != row["max_abs"]


def test_whoever_goes_on_has_what_was_flushed_and_no_more(tmp_path):
    output = tmp_path / "r.parquet"
    first = ParquetTable(output, {"a": 4})
    first.add("a", 0, rows_of(report()))
    first.flush()
    first.add("a", 2, rows_of(report()))
    first.flush()
    first.add("a", 3, rows_of(report()))  # and killed here
    (first.parts / ".draft").write_bytes(b"half a par")
    second = ParquetTable(output, {"a": 4})
    assert list(second.left("a")) == [1, 3]
    for number in (1, 3):
        second.add("a", number, rows_of(report()))
    second.finish()
    assert sorted(numbers(output)) == [("a", number) for number in range(4) for _ in "12"]
    third = ParquetTable(output, {"a": 4})
    assert list(third.left("a")) == []
    assert third.counts == {"pass": 4}
    third.finish()
    assert len(numbers(output)) == 8


def test_killed_between_the_whole_and_the_parts_it_has_each_cell_once(tmp_path, monkeypatch):
    output = tmp_path / "r.parquet"
    sheet = ParquetTable(output, {"a": 1})
    sheet.add("a", 0, rows_of(report()))
    monkeypatch.setattr("layerlens.run.dask.parquet.shutil.rmtree", lambda _: None)
    sheet.finish()
    monkeypatch.undo()
    again = ParquetTable(output, {"a": 1})
    assert again.counts == {"pass": 1}
    again.finish()
    assert numbers(output) == [("a", 0)] * 2


def test_a_cell_may_lie_across_batches(tmp_path, monkeypatch):
    whole = pq.ParquetFile.iter_batches
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda file: whole(file, batch_size=3))
    output = tmp_path / "r.parquet"
    for _ in "12":
        sheet = ParquetTable(output, {"a": 5})
        for number in sheet.left("a"):
            sheet.add("a", number, rows_of(report()))
        sheet.finish()
        assert sheet.counts == {"pass": 5}
        assert len(numbers(output)) == 10


def test_another_sweep_or_another_table_is_replaced(tmp_path):
    output = tmp_path / "r.parquet"
    pq.write_table(pa.table({"x": [1]}), output)
    for sweep in ("before", "after"):
        sheet = ParquetTable(output, {sweep: 1})
        assert list(sheet.left(sweep)) == [0]
        sheet.add(sweep, 0, rows_of(report(modes=1)))
        sheet.finish()
    assert numbers(output) == [("after", 0)]
