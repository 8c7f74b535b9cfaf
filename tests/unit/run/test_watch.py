"""What changed is run, and nothing else: files edited, added, removed and broken."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from layerlens.report.run import ScenarioReport
from layerlens.run.known import Tell
from layerlens.run.watch import Look, Watch
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario

TEXT = "input: {shape: [4]}\nmodels: {one: [Dense: 3], other: [Dense: 3]}\n"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were run, by what stands in for the run."""
    ran: list[str] = []

    def work(scenario: Scenario, *, tell: Tell) -> ScenarioReport:
        ran.append(Path(scenario.path).name)
        return ScenarioReport(scenario.path, scenario.title, None, "pass", 0.0)

    monkeypatch.setattr("layerlens.run.workers.dispatch.work_of", lambda *_: work)
    return ran


@pytest.fixture
def look(tmp_path: Path, ran: list[str]) -> Iterator[Callable[[], Look | None]]:
    for name in ("a.yaml", "b.yaml"):
        write(tmp_path / name, TEXT)
    with closing(Watch([str(tmp_path)], RunOptions())) as watch:
        yield watch.look


def write(path: Path, text: str) -> None:
    """Write a file so that its time of change is another, however coarse the clock."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    if path.stat().st_mtime_ns == before:
        os.utime(path, ns=(before + 1, before + 1))


def statuses(look: Look | None) -> list[tuple[str, str]]:
    assert look is not None
    return [(Path(one.path).name, one.status) for one in look.report.scenarios]


def test_at_first_everything_then_nothing(look, ran, tmp_path):
    first = look()
    assert ran == ["a.yaml", "b.yaml"]
    assert first.changed == (str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"))
    assert look() is None
    assert ran == ["a.yaml", "b.yaml"]


def test_an_edited_file_alone_is_run_and_all_are_told(look, ran, tmp_path):
    look()
    ran.clear()
    write(tmp_path / "b.yaml", TEXT.replace("3", "4"))
    found = look()
    assert ran == ["b.yaml"]
    assert found.changed == (str(tmp_path / "b.yaml"),)
    assert statuses(found) == [("a.yaml", "pass"), ("b.yaml", "pass")]


def test_files_that_come_break_mend_and_go(look, ran, tmp_path):
    look()
    write(tmp_path / "c.yaml", "inptu: 1\n")
    assert statuses(look()) == [("a.yaml", "pass"), ("b.yaml", "pass"), ("c.yaml", "error")]
    assert look() is None
    write(tmp_path / "c.yaml", TEXT)
    assert statuses(look())[2] == ("c.yaml", "pass")
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        (tmp_path / name).unlink()
    emptied = look()
    assert emptied.report.scenarios == ()
    assert "has no scenario" in emptied.nothing
    write(tmp_path / "a.yaml", TEXT)
    assert statuses(look()) == [("a.yaml", "pass")]


def test_a_saved_model_and_the_user_s_code_are_part_of_it(look, ran, tmp_path):
    (tmp_path / "saved.json").write_text("{}")
    write(tmp_path / "a.yaml", "models: {one: {file: saved.json}, other: {file: saved.json}}\n")
    (tmp_path / "build.py").write_text("x = 1\n")
    write(tmp_path / "b.yaml", TEXT.replace("[Dense: 3]", '{python: "build:x"}', 1))
    look()
    ran.clear()
    write(tmp_path / "saved.json", '{"changed": true}')
    look()
    assert ran == ["a.yaml"]
    write(tmp_path / "build.py", "x = 2\n")
    look()
    assert ran == ["a.yaml", "b.yaml"]


def test_any_file_of_an_exported_model(look, ran, tmp_path):
    """A SavedModel is a folder; an ONNX file may say that its tensors are in other files."""
    (tmp_path / "exported" / "variables").mkdir(parents=True)
    parts = [
        tmp_path / "exported" / "saved_model.pb",
        tmp_path / "exported" / "variables" / "variables.index",
        tmp_path / "tensors.bin",
    ]
    for part in parts:
        part.write_bytes(b"1")
    (tmp_path / "m.onnx").write_bytes(b"location")
    models = "{one: [Dense: 3], other: {file: exported}, third: {file: m.onnx}}"
    write(tmp_path / "b.yaml", f"input: {{shape: [4]}}\nmodels: {models}\n")
    look()
    for part in parts:
        ran.clear()
        write(part, "2")
        look()
        assert ran == ["b.yaml"], part
