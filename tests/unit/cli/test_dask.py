"""Options that do not go with `--scheduler`."""

from __future__ import annotations

import pytest

from layerlens.cli.dask import is_parquet, spread
from layerlens.errors import UsageError
from layerlens.scenario.options import RunOptions

ADDRESS = "tcp://localhost:8786"


@pytest.mark.parametrize(
    ("output", "expected"),
    [("rows.parquet", True), ("report.json", False), ("parquet", False), (None, False)],
)
def test_parquet_files_are_rows_of_results(output, expected):
    assert is_parquet(output) is expected


@pytest.mark.parametrize(
    ("scheduler", "output", "options", "message"),
    [
        (None, "rows.parquet", RunOptions(), "no scheduler was given"),
        (ADDRESS, None, RunOptions(), "needs a Parquet file as --output; there is no --output"),
        (ADDRESS, "rows.json", RunOptions(), "received 'rows.json'"),
        (ADDRESS, f"{'x' * 250}.parquet", RunOptions(), "cannot be written next to it"),
        (ADDRESS, "rows.parquet", RunOptions(jobs=2), "--jobs and --max-memory apply to this"),
        (ADDRESS, "rows.parquet", RunOptions(max_memory=10), "--jobs and --max-memory apply to"),
    ],
)
def test_a_wrong_combination_is_refused(scheduler, output, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message) as refused:
        spread(["x.yaml"], scheduler, output, options, quiet=True)
    assert refused.value.hint
    assert list(tmp_path.iterdir()) == []
