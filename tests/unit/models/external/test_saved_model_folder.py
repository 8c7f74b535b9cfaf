"""A SavedModel folder has the files that its variables are in, before TensorFlow reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from layerlens.models.external.saved_model_folder import folder_problem

INDEX = "variables.index"


def part(number: int, count: int) -> str:
    return f"variables.data-{number:05d}-of-{count:05d}"


def folder(path: Path, *names: str) -> Path:
    (path / "variables").mkdir()
    for name in names:
        (path / "variables" / name).write_bytes(b"x")
    return path


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ([INDEX, part(0, 1)], None),
        ([INDEX, part(0, 2), part(1, 2)], None),
        ([], None),
        ([part(0, 1)], INDEX),
        ([INDEX], part(0, 1)),
        ([INDEX, part(0, 3), part(2, 3)], part(1, 3)),
    ],
)
def test_missing_files(tmp_path: Path, names: list[str], missing: str | None) -> None:
    expected = None if missing is None else f"`variables/{missing}` is missing"
    assert folder_problem(folder(tmp_path, *names)) == expected


def test_a_function_without_variables(tmp_path: Path) -> None:
    assert folder_problem(tmp_path) is None


def test_links(tmp_path: Path) -> None:
    """Files that are stored elsewhere are read; a link that leads nowhere is named."""
    (tmp_path / "model").mkdir()
    found = folder(tmp_path / "model", INDEX)
    (tmp_path / "stored").write_bytes(b"x")
    link = found / "variables" / part(0, 1)
    link.symlink_to(tmp_path / "stored")
    assert folder_problem(found) is None
    (tmp_path / "stored").unlink()
    problem = f"`variables/{part(0, 1)}` is a link to {tmp_path / 'stored'}, which does not exist"
    assert folder_problem(found) == problem


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    found = folder(tmp_path, INDEX)
    os.mkfifo(found / "variables" / part(0, 1))
    assert folder_problem(found) == f"`variables/{part(0, 1)}` is not a file"
