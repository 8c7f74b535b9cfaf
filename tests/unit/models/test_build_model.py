"""A model is built from any form of description."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec

pytestmark = pytest.mark.usefixtures("backend")

INPUTS = (InputSpec("x", (3,)),)


def test_every_form_gives_the_same_layers(tmp_path: Path) -> None:
    dense = LayerSpec("Dense", {"units": 2, "name": "dense"})
    given = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    (tmp_path / "m.json").write_text(given.to_json(), encoding="utf-8")
    python = {"python": "keras.layers:Dense", "args": {"units": 2, "name": "dense"}}
    forms = [
        ModelSpec("m", "layers", layers=(dense,)),
        ModelSpec("m", "graph", nodes=(NodeSpec("dense", dense, ("x",)),), outputs=("dense",)),
        ModelSpec("m", "file", file=str(tmp_path / "m.json")),
        ModelSpec("m", "python", **python),  # type: ignore[arg-type]
        ModelSpec("m", "object", given=given),
    ]
    for spec in forms:
        built = build_model(spec, INPUTS, precision="float64", allow_code=True)
        assert isinstance(built, Built), spec.form
        assert [row.name for row in built.report.layers] == ["dense"]
        assert (built.report.params, built.precision, built.allocated) == (8, "float64", True)
