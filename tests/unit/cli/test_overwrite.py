"""What a command reads is never written over, whichever way its path is spelt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from layerlens.cli import run
from layerlens.cli.overwrite import refuse_overwriting
from layerlens.errors import UsageError

PLAIN = """
input: {shape: [4]}
models:
  a: [Dense: 2]
  b: [Dense: 2]
"""
SAVED = """
input: {shape: [4]}
matrix: {size: [2, 3], deep: [true]}
models:
  a: {file: "saved/m${size}-${deep}.json"}
  b: {file: saved/other.keras}
"""
#: At fault, and yet its model is an input.
FAULTY = """
input: {shape: [4]}
models:
  a: [Dense: {unit: 2}]
  b: {"f\\x69le": saved/faulty.h5, unknown: 1}
"""
CODE = """
input: {shape: [4]}
models:
  a: {python: "code.building:build"}
  b: {python: "code/other.py:build"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = {
        "s/plain.yaml": PLAIN,
        "s/saved.yaml": SAVED,
        "s/faulty.yml": FAULTY,
        "s/code.yaml": CODE,
        **{
            f"s/{name}": "an input"
            for name in (
                "saved/m3-true.json",
                "saved/other.keras",
                "saved/faulty.h5",
                "code/building.py",
                "code/other.py",
            )
        },
        "report.json": "an output of before",
        "model.json": "{}",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    (tmp_path / "link.yaml").symlink_to("s/plain.yaml")
    (tmp_path / "link_to_link.json").symlink_to("link.yaml")
    os.link("s/plain.yaml", "hard.json")
    (tmp_path / "folder_link").symlink_to("s")
    return tmp_path


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        ("s/plain.yaml", ["s/plain.yaml"]),
        ("s/../s/./plain.yaml", ["s/plain.yaml"]),
        ("{here}/s/plain.yaml", ["s"]),
        ("link.yaml", ["s/plain.yaml"]),
        ("link_to_link.json", ["s/plain.yaml"]),
        ("hard.json", ["s/plain.yaml"]),
        ("folder_link/plain.yaml", ["s/plain.yaml"]),
        ("s/plain.yaml", ["link.yaml"]),
        ("s/plain.yaml", ["folder_link"]),
        ("s/plain.yaml", ["s/saved.yaml", "link_to_link.json"]),
        ("s/saved/m3-true.json", ["s/saved.yaml"]),
        ("s/saved/other.keras", ["folder_link"]),
        ("s/saved/faulty.h5", ["s"]),
        ("s/code/building.py", ["s/code.yaml"]),
        ("s/code/other.py", ["s/code.yaml"]),
        ("model.json", ["model.json"]),
    ],
)
def test_an_input_is_refused_as_an_output(folder: Path, output: str, paths: list[str]) -> None:
    with pytest.raises(UsageError, match=r"cannot write to .* which would be overwritten"):
        refuse_overwriting([output.format(here=folder)], paths)


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        (None, ["s"]),
        ("-", ["s"]),
        ("report.json", ["s"]),
        ("s/new.yaml", ["s"]),
        ("s/saved/m3-true.json", ["s/plain.yaml"]),
        ("/dev/null", ["s"]),
    ],
)
def test_what_is_no_input_is_written(folder: Path, output: str | None, paths: list[str]) -> None:
    refuse_overwriting([output], paths)


def test_two_outputs_are_two_files(folder: Path) -> None:
    for other in ("report.json", "./s/../report.json"):
        with pytest.raises(UsageError, match="two outputs"):
            refuse_overwriting(["report.json", other], ["s"])
    with pytest.raises(UsageError, match="two outputs"):
        refuse_overwriting(["new.json", "s/../new.json"], ["s"])


def test_a_folder_that_is_one_input_is_not_written_into(folder: Path) -> None:
    (folder / "s/exported").mkdir()
    (folder / "s/exported/saved_model.pb").write_text("an input")
    (folder / "s/plain.yaml").write_text("models: {a: {file: exported}}")
    with pytest.raises(UsageError, match="which would be overwritten"):
        refuse_overwriting(["s/exported/saved_model.pb"], ["s/plain.yaml"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "s/plain.yaml", "-f", "json", "-o", "link.yaml"],
        ["compare", "s/plain.yaml", "--repro", "hard.json"],
        ["compare", "s/plain.yaml", "--scheduler", "tcp://127.0.0.1:1", "-o", "rows.parquet"],
        ["summary", "s", "-o", "s/saved/other.keras"],
        ["summary", "model.json", "-o", "model.json"],
        ["explain", "s", "-o", "s/plain.yaml"],
        ["plot", "drawn.svg", "-o", "drawn.svg"],
        ["render", "report.json", "-f", "html", "-o", "report.json"],
        ["init", "s/plain.yaml"],
    ],
    ids=" ".join,
)
def test_every_command_refuses_before_anything_runs(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    os.link("s/plain.yaml", "rows.parquet")
    os.link("s/plain.yaml", "drawn.svg")
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "which would be overwritten" in err or "not overwritten" in err
    after = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert after == before
