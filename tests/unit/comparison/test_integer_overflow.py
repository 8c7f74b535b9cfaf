"""Layers that compute in integers: overflow and cut fractions are reported with the layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens import compare
from layerlens.comparison.integer_overflow import integer_losses
from layerlens.scenario.spec import ModelSpec, NodeSpec
from tests.unit.tables.pairs import chain, input_of, layer, sides

pytestmark = pytest.mark.usefixtures("backend")


def _joined(kind: str) -> ModelSpec:
    nodes = (NodeSpec("join", layer(kind), ("input", "input")),)
    return ModelSpec(kind, "graph", nodes=nodes, outputs=("join",))


@pytest.mark.parametrize(
    ("kind", "dtype", "given", "told"),
    [
        ("Add", "uint8", 200, "144 instead of 400"),
        ("Multiply", "int32", 65536, "0 instead of 4.2949673e+09"),
        ("Average", "uint8", 200, "72 instead of 200"),
        ("Subtract", "uint8", 200, None),
        ("Add", "int32", 200, None),
        ("Maximum", "uint8", 200, None),
    ],
)
def test_an_overflow_is_named_with_the_correct_value(
    kind: str, dtype: str, given: int, told: str | None
) -> None:
    side, _ = sides(_joined(kind), chain("other", layer("ReLU")), input_of(1, dtype=dtype))
    found = integer_losses(side, (), (np.full((1, 1), given, dtype),))
    if told is None:
        assert found == ()
    else:
        start = f"`join` of `{kind}` computes in {dtype} and overflows its range: "
        assert found == (start + told,)


def test_cut_fractions_are_reported() -> None:
    one = chain("one", layer("Activation", activation="leaky_relu"))
    side, _ = sides(one, chain("other", layer("ReLU")), input_of(1, dtype="int32"))
    found = integer_losses(side, (), (np.full((1, 1), -4, "int32"),))
    assert len(found) <= 1
    assert all("truncates a fraction" in text for text in found)


def test_the_sentence_reaches_the_explanation_and_the_reasons() -> None:
    scaled = {"Rescaling": 0.5}
    floats: dict[str, Any] = {
        "graph": {
            "a": {**scaled, "from": ["one"]},
            "b": {**scaled, "from": ["two"]},
            "s": {"Add": {}, "from": ["a", "b"]},
        },
        "outputs": ["s"],
    }
    bytes_ = {
        "graph": {"s": {"Add": {}, "from": ["one", "two"]}, "f": {**scaled, "from": ["s"]}},
        "outputs": ["f"],
    }
    given = {"shape": [2], "dtype": "uint8", "low": 0, "high": 200}
    scenario = {"inputs": {"one": given, "two": given}, "models": {"floats": floats, "b": bytes_}}
    (pair,) = compare(scenario).scenarios[0].pairs
    assert pair.verdict == "different"
    told = "`s` of `b` computes in uint8 and overflows its range"
    assert told in pair.explanation
    assert any(sentence.startswith(told) for sentence in pair.why)
    assert not any("with the same inputs" in sentence for sentence in pair.why)
