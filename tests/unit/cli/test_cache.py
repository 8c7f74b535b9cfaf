"""The cache of a run, and the commands that describe and remove it."""

from __future__ import annotations

from layerlens import cli
from layerlens.cli.cache import open_cache
from layerlens.cli.command_options import CommandOptions
from layerlens.scenario.options import RunOptions
from tests.unit.tables.stored_reports import report_of


def test_a_run_has_a_cache_unless_no_cache_is_given(fake_run, capsys, tmp_path):
    given = fake_run(report_of("equal"))
    cli.run(["compare", "x", "--cache-dir", str(tmp_path / "c")])
    cli.run(["compare", "x", "--cache-dir", str(tmp_path / "d"), "--no-cache"])
    assert [len(each) for each in given] == [3, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_without_a_cache_there_is_none():
    with open_cache("compare", RunOptions(), CommandOptions(no_cache=True)) as cache:
        assert cache is None


def test_info_describes_the_cache_and_creates_nothing(tmp_path, capsys):
    folder = tmp_path / "cache"
    assert cli.run(["cache", "info", "--cache-dir", str(folder)]) == 0
    path, extent = capsys.readouterr().out.splitlines()
    assert path.startswith(str(folder))
    assert extent.startswith("0 entries, ")
    assert not folder.exists()


def test_clear_removes_the_cache_if_there_is_one(tmp_path, capsys):
    options = CommandOptions(cache_dir=str(tmp_path))
    with open_cache("compare", RunOptions(), options) as cache:
        assert cache is not None
    path = min(tmp_path.iterdir())
    for message in (f"removed {path}\n", f"there is no cache at {path}\n"):
        assert cli.run(["cache", "clear", "--cache-dir", str(tmp_path)]) == 0
        assert capsys.readouterr().out == message
        assert not path.exists()
