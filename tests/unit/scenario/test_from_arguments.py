"""Command-line arguments are classified, named, and turned into a scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerlens.errors import ScenarioError, UsageError
from layerlens.scenario.from_arguments import (
    are_models,
    compared_weights,
    is_model,
    model_as_scenario,
    models_as_scenario,
    short_names,
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text("import os\n\ndef net(): ...\n\nclass Net: ...\n\n_x = 1\n")
    for name in ("a.keras", "b.h5"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "c.json").write_text('{"class_name": "Sequential", "config": {}}')
    (tmp_path / "scenario.json").write_text('{"models": {}}')
    (tmp_path / "report.json").write_text('{"schema": 1, "scenarios": []}')
    (tmp_path / "odd:name").write_text("")
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "saved_model.pb").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("a.keras", True),
        ("A.KERAS", True),
        ("gone.h5", True),
        ("c.json", True),
        ("gone.json", True),
        ("scenario.json", False),
        ("report.json", False),
        ("golden.npz", True),
        ("m.onnx", True),
        ("m.tflite", True),
        ("exported", True),
        ("nets.py", True),
        ("nets.py:net", True),
        ("package.nets:net", True),
        ("odd:name", False),
        ("x.yaml", False),
        (".", False),
        ("", False),
        ("gone", False),
        ("a\0.keras", True),
        ("a\0b", False),
    ],
)
def test_models_are_told_from_scenarios(here: Path, argument: str, expected: bool) -> None:
    assert is_model(argument) is expected


def test_scenarios_alone_are_not_models(here: Path) -> None:
    assert not are_models(["x.yaml", "."])
    assert not are_models([])
    assert are_models(["a.keras", "nets:net"])


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["run/a.keras", "run/b.h5"], ("a", "b")),
        (["old/a.keras", "new/a.keras", "b.h5"], ("old/a.keras", "new/a.keras", "b")),
        (["a.keras", "a.keras"], ("a.keras", "a.keras (2)")),
        (["a.keras", "nets.py:net", "nets:Net.make"], ("a", "net", "Net.make")),
        (["old.py:net", "new.py:net"], ("old.py:net", "new.py:net")),
    ],
)
def test_names_are_short_and_unique(arguments: list[str], names: tuple[str, ...]) -> None:
    assert short_names(arguments) == names


@pytest.mark.parametrize(
    ("arguments", "asked", "expected"),
    [
        (["a.keras", "b.h5"], None, "saved"),
        (["a.keras", "b.h5"], "carried", "carried"),
        (["a.keras", "c.json"], None, "carried"),
        (["a.keras", "nets.py:net"], None, "carried"),
        (["a.keras", "nets.py:net"], "saved", "saved"),
    ],
)
def test_saved_weights_are_compared_where_all_have_some(
    here: Path, arguments: list[str], asked: None, expected: str
) -> None:
    assert compared_weights(arguments, asked) == expected


def test_a_model_without_weights_is_refused_where_weights_are_asked_for(here: Path) -> None:
    with pytest.raises(UsageError, match=r"c\.json holds no weights"):
        compared_weights(["a.keras", "c.json"], "saved")


def test_the_scenario_expects_all_to_be_the_reference(here: Path) -> None:
    scenario = models_as_scenario(["a.keras", "b.h5"])
    assert (scenario.reference, scenario.weights) == ("a", "saved")
    assert scenario.expect is not None
    assert scenario.expect.verdicts == {"b": {"inference": "equivalent"}}
    assert scenario.expect.same_weights == ("b",)
    other = models_as_scenario(["a.keras", "b.h5"], expect="different")
    assert other.expect is not None
    assert other.expect.verdicts == {"b": {"inference": "different"}}
    assert other.expect.same_weights == ()


def test_files_find_their_code_beside_the_python_files(here: Path) -> None:
    one, other = models_as_scenario(["a.keras", "nets.py:net"]).models
    assert one.code_folders == (str(here),)
    assert (other.form, other.python, other.code_folders) == ("python", "nets.py:net", ())


def test_all_faults_are_told_together(here: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        models_as_scenario(["nets.py", "gone.py:net", "b.h6.h5", "a\0.keras"])
    assert [(fault.message, fault.hint) for fault in caught.value.faults] == [
        (
            "nets.py is a Python file; which of its functions returns the model?",
            "write `nets.py:NAME`; allowed: net, Net",
        ),
        ("there is no file gone.py", "did you mean `nets.py`?"),
        ("there is no file b.h6.h5", "did you mean `b.h5`?"),
        ("a\\x00.keras cannot be read: embedded null byte", None),
    ]


def test_a_python_file_that_cannot_be_parsed_has_no_names(here: Path) -> None:
    (here / "broken.py").write_text("def (")
    with pytest.raises(ScenarioError) as caught:
        model_as_scenario("broken.py")
    assert caught.value.hint == "write `broken.py:NAME`"
