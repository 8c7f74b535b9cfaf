"""Tensors of more values than can be numbered are refused at the layer that gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import layerlens
from layerlens.errors import ScenarioError
from layerlens.scenario.reading.scenarios import scenario_from_mapping

REPEATED = [{"RepeatVector": 2**31 - 1}, "Flatten"] * 300


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([2**31 - 1] * 3, "has more than 9,223,372,036,854,775,807 values per sample"),
        ([2**31 - 1] * 31, "has more than 9,223,372,036,854,775,807 values per sample"),
        ([2**31 - 1] * 1000, "`shape` has at most 31 entries; received a list of 1000"),
        ([1] * 32, "`shape` has at most 31 entries; received a list of 32"),
    ],
)
def test_inputs_are_refused_as_they_are_read(shape: list[int], said: str) -> None:
    for given in ({"input": {"shape": shape}}, {"inputs": {"x": {"shape": shape}}}):
        with pytest.raises(ScenarioError, match=said):
            scenario_from_mapping({**given, "models": {"a": ["Flatten"]}}, least_models=1)


def test_layers_whose_outputs_multiply_are_refused_at_the_first_that_is_too_large() -> None:
    scenario = {"input": {"shape": [4]}, "models": {"one": REPEATED, "other": REPEATED}}
    for run in (layerlens.compare, layerlens.summary):
        (report,) = run(scenario).scenarios
        (error,) = report.errors
        assert not error.internal
        assert "`repeat_vector_1` gives a tensor of the per-sample shape (2,147,483,647, " in (
            error.message
        )


def saved(tmp_path: Path, layers: list[dict[str, Any]]) -> str:
    first = {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "name": "x"}}
    config = {"name": "top", "layers": [first, *layers]}
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"class_name": "Sequential", "config": config}))
    return str(path)


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "module": "keras.layers", "config": {"name": name, **config}}


def test_so_are_those_of_saved_models_also_inside_others(tmp_path: Path) -> None:
    inside = [
        layer("RepeatVector", "first", n=2**31 - 1),
        layer("Flatten", "flat"),
        layer("RepeatVector", "second", n=2**31 - 1),
    ]
    nested = {"class_name": "Sequential", "module": "keras", "config": {"name": "n"}}
    nested["config"]["layers"] = inside  # type: ignore[index]
    for layers, name in (
        (inside, "second"),
        ([nested, layer("Flatten", "last")], "n"),
        ([layer("Dense", "wide", units=2**63)], "wide"),
    ):
        (report,) = layerlens.summary(saved(tmp_path, layers)).scenarios
        (error,) = report.errors
        assert not error.internal
        assert f"`{name}` gives a tensor of the per-sample shape (" in error.message
    (report,) = layerlens.summary(saved(tmp_path, [layer("Dense", "d", units=2**62)])).scenarios
    assert report.models[0].params == 5 * 2**62
