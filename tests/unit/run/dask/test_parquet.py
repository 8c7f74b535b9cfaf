"""Each cell is written to the Parquet file once, even where a worker dies in between."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run.dask.parquet import ParquetTable
from layerlens.run.dask.worker import rows_of

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
