"""Code without permission and unreadable files are refused before Keras is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerlens.errors import ModelFileError, ScenarioError, UnsafeCodeError
from layerlens.models.external.refusals import refuse_before_start, refuse_callable
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import ModelSpec, Scenario

LAYERS = ModelSpec("described", "layers")
CALLABLE = ModelSpec("made", "python", python="models:make")


def scenario(*models: ModelSpec) -> Scenario:
    return Scenario("s.yaml", "s", models, models[0].name)


def test_a_callable_needs_permission() -> None:
    with pytest.raises(UnsafeCodeError, match="model `made` runs the Python code `models:make`"):
        refuse_callable(CALLABLE, allow_code=False)
    refuse_callable(CALLABLE, allow_code=True)
    refuse_callable(LAYERS, allow_code=False)


def test_every_model_of_a_scenario_is_checked() -> None:
    pair = scenario(LAYERS, CALLABLE)
    with pytest.raises(UnsafeCodeError, match="models:make"):
        refuse_before_start(pair, RunOptions())
    refuse_before_start(pair, RunOptions(allow_code=True))


def test_a_file_is_read_whether_or_not_code_is_allowed(tmp_path: Path) -> None:
    absent = ModelSpec("saved", "file", file=str(tmp_path / "absent.keras"))
    for allow_code in (False, True):
        with pytest.raises(ModelFileError, match="cannot be read: No such file"):
            refuse_before_start(scenario(LAYERS, absent), RunOptions(allow_code=allow_code))


def test_a_readable_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"class_name": "Sequential", "config": {}}', encoding="utf-8")
    refuse_before_start(scenario(ModelSpec("saved", "file", file=str(path))), RunOptions())


def test_all_models_at_fault_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_text("no archive", encoding="utf-8")
    (tmp_path / "b.json").write_text("{", encoding="utf-8")
    files = [
        ModelSpec(name[0], "file", file=str(tmp_path / name)) for name in ("a.keras", "b.json")
    ]
    with pytest.raises(ScenarioError) as caught:
        refuse_before_start(scenario(*files, CALLABLE), RunOptions())
    messages = [fault.message for fault in caught.value.faults]
    assert len(messages) == 3
    assert [message.split()[0] for message in messages] == ["a.keras", "b.json", "model"]
