"""The faults of a model."""

# ruff: noqa: E501 - the tables pair each input with its message, one per line
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layerlens.errors import ScenarioError
from layerlens.scenario.reading.scenarios import read_scenarios

INPUT = "input: {shape: [64, 15]}\n"


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("", "the model `a` is a list of layers or a mapping; received nothing (null)"),
        ("[]", "`layers` is empty"),
        ("{}", "a model needs one of `layers`, `graph`, `file`, `python` and `like`"),
        ("{layer: [Flatten]}", "unknown key `layer` | did you mean `layers`?"),
        ("{layers: [Flatten], python: 'm:f'}", "a model has one of these keys; received `layers` and `python`"),
        ("{layers: [Flatten], outputs: [x]}", "`outputs` belongs to `graph`"),
        ("{layers: [Flatten], select: '[:, x]'}", '`select`: "x" in "[:, x]" is not an integer'),
        ("{layers: [Flatten], dtype: float33}", "`dtype` does not take the text \"float33\" | did you mean `float32`?"),
        ("{layers: [Flatten], weights: {x: [[1, 2], [3]]}}", "ragged values"),
        ("{python: nope}", '`python` takes "module:callable"; received the text "nope"'),
        ("{file: model.txt}", '"model.txt" is not the name of a saved model'),
        ("{graph: {h: {ReLU: , from: input}}}", "`outputs` is missing | add `outputs: [node]`"),
    ],
)  # fmt: skip
def test_a_model_at_fault(told: Any, model: str, fault: str) -> None:
    (found,) = told(f"{INPUT}models:\n  a: {model}\n  b: [Flatten]\n")
    assert fault in found


def test_a_python_file_is_relative_to_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "nets.py").write_text("this is not run")
    file = tmp_path / "a.yaml"
    python = "python: code/nets.py:net, args: {units: 2}"
    file.write_text(f"models:\n  a: {{{python}}}\n  b: {{python: 'nets:net'}}\n")
    (scenario,) = read_scenarios(file)
    one, other = scenario.models
    assert (one.python, one.args) == (f"{tmp_path}/code/nets.py:net", {"units": 2})
    assert other.python == "nets:net"


def test_a_python_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "nets.py").touch()
    file = tmp_path / "a.yaml"
    file.write_text("models:\n  a: {python: nest.py:net}\n  b: {python: 'nets:net'}\n")
    with pytest.raises(ScenarioError) as caught:
        read_scenarios(file)
    (fault,) = caught.value.faults
    assert fault.message == 'there is no file "nest.py"'
    assert fault.hint == "did you mean `nets.py`? paths are relative to the scenario's folder"
    assert str(fault.where) == f"{file}:2:15"
