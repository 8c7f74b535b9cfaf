"""Which paths are scenario files, and which cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from layerlens.errors import ScenarioError, UsageError
from layerlens.scenario.files import saved_file_fault
from layerlens.scenario.reading.scenarios import (
    find_scenario_files,
    looks_like_scenario,
    read_scenarios,
)

INPUT = "input: {shape: [64, 15]}\n"


MODELS = "models: {a: [Flatten], b: [Flatten]}\n"


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe.yaml", tmp_path / "loop.yaml"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path, message in [
        (pipe, "a scenario file is expected here; this is a named pipe"),
        (loop, "cannot be read: too many levels of symbolic links"),
        (tmp_path / "none.yaml", "there is no file or folder"),
        (tmp_path, "a scenario file is expected here; this is a folder"),
    ]:
        with pytest.raises(ScenarioError, match=message):
            read_scenarios(path)
        assert not looks_like_scenario(path)


def test_folders_are_searched_and_sorted(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "sub/c.yaml", "sub/d.txt", ".hidden/e.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(INPUT + MODELS)
    files = find_scenario_files([tmp_path, tmp_path / "b.yaml", tmp_path / "sub/d.txt"])
    assert [str(file.relative_to(tmp_path)) for file in files] == [
        "a.yml",
        "b.yaml",
        "sub/c.yaml",
        "sub/d.txt",
    ]


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(INPUT + MODELS)
    with pytest.raises(UsageError, match="there is no file or folder") as caught:
        find_scenario_files([tmp_path / "scenaro.yaml"])
    assert caught.value.hint == f"did you mean {tmp_path / 'scenario.yaml'}?"
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"the folder .*empty has no scenario"):
        find_scenario_files([tmp_path / "empty"])


def test_a_path_that_leads_nowhere_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    sound, missing, empty = tmp_path / "a.yaml", tmp_path / "none.yaml", tmp_path / "empty"
    sound.write_text(INPUT + MODELS)
    empty.mkdir()
    assert find_scenario_files([sound, missing, empty]) == (sound, missing, empty)
    with pytest.raises(ScenarioError, match="there is no file or folder"):
        read_scenarios(missing)
    with pytest.raises(ScenarioError, match="has no scenario"):
        read_scenarios(empty)


def test_a_scenario_is_told_from_other_yaml(tmp_path: Path) -> None:
    scenario, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    scenario.write_text(INPUT + MODELS)
    other.write_text("services:\n  models: {}\n")
    assert looks_like_scenario(scenario)
    assert not looks_like_scenario(other)
    assert not looks_like_scenario(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("1/saved_model.pb", "the folder inside it is a SavedModel: {folder}/1"),
        (
            "variables/variables.index",
            "it looks like a SavedModel without `saved_model.pb`: copy the whole folder",
        ),
        ("notes.txt", "they end in "),
    ],
)
def test_a_folder_that_is_no_saved_model(tmp_path: Path, made: str, expected: str) -> None:
    (tmp_path / made).parent.mkdir(exist_ok=True)
    (tmp_path / made).touch()
    fault = saved_file_fault(tmp_path, "exported")
    assert fault is not None
    assert fault.message == "exported is not the name of a saved model"
    assert fault.hint is not None
    assert fault.hint.startswith(expected.format(folder=tmp_path))
