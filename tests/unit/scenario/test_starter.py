"""The starter scenario is sound, and is never written over something."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerlens.errors import UsageError
from layerlens.scenario.reading.scenarios import read_scenarios
from layerlens.scenario.starter import starter_scenario, write_starter


def test_the_starter_is_a_scenario_with_expectations(tmp_path: Path) -> None:
    path = write_starter(tmp_path / "first.yaml")
    assert path.read_text(encoding="utf-8") == starter_scenario()
    (scenario,) = read_scenarios(path)
    assert scenario.expect is not None
    assert scenario.expect.verdicts["plain"] == {"inference": "equivalent"}
    assert list(tmp_path.iterdir()) == [path]
    assert starter_scenario().startswith("# yaml-language-server: $schema=")


def test_what_the_starter_holds_in_comments_is_sound_too(tmp_path: Path) -> None:
    text = starter_scenario()
    extras = text[text.index("# modes:") :].replace("\n#   ", "\n  ").replace("\n#\n", "\n")
    extras = "\n".join(line.removeprefix("# ") for line in extras.splitlines())
    settings, _, models = extras.partition("A model can also be")
    models = models.partition("\n")[2].replace("saved: {file: model.keras}", "")
    text = text[: text.index("# More options")].replace(
        "models:\n  wrapped", f"models:\n{models}\n  wrapped"
    )
    path = tmp_path / "all.yaml"
    path.write_text(text + settings, encoding="utf-8")
    scenario = read_scenarios(path)[0]
    assert scenario.modes == ("inference", "training")
    assert scenario.fit is not None
    assert {"residual", "sliced", "last_step"} <= {model.name for model in scenario.models}


def test_a_folder_gets_a_file_of_its_own(tmp_path: Path) -> None:
    assert write_starter(tmp_path) == tmp_path / "scenario.yaml"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.yaml already exists and is not overwritten"):
        write_starter(path)
    assert path.read_text() == "mine"
    dangling = tmp_path / "link.yaml"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="already exists"):
        write_starter(dangling)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["link.yaml", "mine.yaml"]


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: no such file or directory"):
        write_starter(tmp_path / "none" / "x.yaml")
