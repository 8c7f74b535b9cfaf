"""The cache of a run, and the commands that describe and remove it."""

from __future__ import annotations

from layerlens import cli
from tests.unit.cli.stored_reports import report_of


def test_a_run_has_a_cache_unless_no_cache_is_given(fake_run, capsys, tmp_path):
    given = fake_run(report_of("equal"))
    cli.run(["compare", "x", "--cache-dir", str(tmp_path / "c")])
    cli.run(["compare", "x", "--cache-dir", str(tmp_path / "d"), "--no-cache"])
    assert [len(each) for each in given] == [3, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
