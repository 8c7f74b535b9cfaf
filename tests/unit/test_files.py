from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from layerlens.errors import UsageError
from layerlens.files import draft_of, write_parts, write_text


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def write_half(target: Path) -> None:
    with draft_of(target) as draft:
        draft.write_text("new")
        raise ValueError("halfway")


def test_a_draft_takes_the_name_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    target.chmod(0o640)
    with draft_of(target) as draft:
        draft.write_text("new")
        assert (target.read_text(), draft.parent) == ("old", tmp_path)
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert names(tmp_path) == ["report.json"]


def test_a_draft_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(ValueError, match="halfway"):
        write_half(target)
    assert (target.read_text(), names(tmp_path)) == ("old", ["report.json"])


@pytest.mark.parametrize("links", [True, False])
def test_a_taken_name_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "scenario.yaml"
    with draft_of(target, overwrite=False) as draft:
        draft.write_text("first")
    with pytest.raises(FileExistsError), draft_of(target, overwrite=False) as draft:
        draft.write_text("second")
    assert (target.read_text(), names(tmp_path)) == ("first", ["scenario.yaml"])


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    write_text("whole", str(target))
    assert target.read_text() == "whole"


def test_parts_that_fail_halfway_replace_nothing(tmp_path: Path) -> None:
    def parts() -> object:
        yield "one"
        raise ValueError("halfway")

    target = tmp_path / "report.html"
    target.write_text("old")
    with pytest.raises(ValueError, match="halfway"):
        write_parts(parts(), str(target))  # type: ignore[arg-type]
    assert (target.read_text(), names(tmp_path)) == ("old", ["report.html"])


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text("through", str(pipe))
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write to .*absent"):
        write_text("", str(tmp_path / "absent" / "report.json"))
