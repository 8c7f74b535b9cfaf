"""The arguments that differ between two layers whose counts of params differ."""

from __future__ import annotations

import pytest

from layerlens.explain.argument_gaps import argument_gaps
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec


def built(name: str, kind: str, **arguments: object) -> Built:
    spec = ModelSpec(name, "layers", layers=(LayerSpec(kind, arguments),))
    model = build_model(spec, (InputSpec("input", (5, 3)),))
    assert isinstance(model, Built)
    return model


def inside(**arguments: object) -> LayerSpec:
    return LayerSpec("Dense", {"units": 2, **arguments})


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (
            ("GRU", {"units": 2, "reset_after": False}),
            ("GRU", {"units": 2}),
            "`gru` has `reset_after: true` in `other` and `reset_after: false` in `one`",
        ),
        (
            ("TimeDistributed", {"layer": inside()}),
            ("TimeDistributed", {"layer": inside(use_bias=False)}),
            "`time_distributed` has `use_bias: false` in `other` and `use_bias: true` in `one`",
        ),
        (
            ("Bidirectional", {"layer": LayerSpec("GRU", {"units": 2})}),
            ("Bidirectional", {"layer": LayerSpec("LSTM", {"units": 2})}),
            '`bidirectional` has `layer: "LSTM"` in `other` and `layer: "GRU"` in `one`',
        ),
        (("Dense", {"units": 2}), ("Dense", {"units": 2}), None),
        (("Dense", {"units": 2}), ("GRU", {"units": 2}), None),
    ],
    ids=[
        "its own argument",
        "what it holds",
        "another layer held",
        "the same params",
        "another type",
    ],
)
def test_argument_gaps(one, other, text):
    models = [
        built(name, kind, **given)
        for name, (kind, given) in zip(("one", "other"), (one, other), strict=True)
    ]
    assert argument_gaps(*models) == text
