"""The examples that layerlens ships: their list, and the files that are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerlens.errors import UsageError
from layerlens.scenario.gallery import example_names, examples, gallery_folder, write_example
from layerlens.scenario.reading.scenarios import read_scenarios


def test_every_example_has_a_question() -> None:
    found = list(examples())
    assert [one.name for one in found] == example_names()
    assert len(found) > 50
    assert all(one.question.endswith("?") or one.question.endswith(".") for one in found)


@pytest.mark.parametrize("name", example_names())
def test_every_example_expects_a_verdict_of_each_candidate(name: str) -> None:
    for scenario in read_scenarios(gallery_folder() / f"{name}.yaml"):
        assert scenario.expect is not None
        assert set(scenario.expect.verdicts) == {model.name for model in scenario.candidates}


def test_an_example_is_written_as_it_is(tmp_path: Path) -> None:
    assert write_example("dense_vs_td", tmp_path / "mine.yaml") == [tmp_path / "mine.yaml"]
    shipped = gallery_folder() / "dense_vs_td.yaml"
    assert (tmp_path / "mine.yaml").read_bytes() == shipped.read_bytes()


def test_the_files_that_an_example_names_are_written_too(tmp_path: Path) -> None:
    written = write_example("recorded", tmp_path)
    assert written == [tmp_path / "saved" / "classifier.npz", tmp_path / "recorded.yaml"]
    assert all(path.is_file() for path in written)
    (tmp_path / "recorded.yaml").unlink()
    assert write_example("recorded", tmp_path) == [tmp_path / "recorded.yaml"]


def test_nothing_is_overwritten_and_nothing_is_half_written(tmp_path: Path) -> None:
    (tmp_path / "recorded.yaml").write_text("mine")
    with pytest.raises(UsageError, match="already exists and is not overwritten"):
        write_example("recorded", tmp_path)
    assert (tmp_path / "recorded.yaml").read_text() == "mine"
    assert not (tmp_path / "saved").exists()


def test_an_unknown_name_has_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no example 'dens_vs_td'") as failed:
        write_example("dens_vs_td", tmp_path / "x.yaml")
    assert str(failed.value.hint).startswith("did you mean 'dense_vs_td'?")
    assert not list(tmp_path.iterdir())
