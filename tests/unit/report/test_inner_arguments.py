"""Whose argument an entry of a nested model's configuration is."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.report.inner_arguments import InnerArgument, inner_argument
from layerlens.report.layers import LayerRow


def row(
    name: str, kind: str, *holds: LayerRow, arguments: dict[str, Any] | None = None
) -> LayerRow:
    return LayerRow(
        name, kind, name, (None, 3), (None, 3), 0, "float32", holds=holds, arguments=arguments or {}
    )


DENSE, NORM = row("dense", "Dense"), row("norm", "LayerNormalization")
ELEMENTS = {"layers[0]": "InputLayer", "layers[1]": "Dense", "layers[2]": "LayerNormalization"}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("layers[1].units", InnerArgument("units", "base/dense", is_nested=True)),
        ("layers[2].epsilon", InnerArgument("epsilon", "base/norm", is_nested=True)),
        ("layers[3].epsilon", InnerArgument("layers[3].epsilon", "base", is_nested=False)),
        ("layers[1]", InnerArgument("layers[1]", "base", is_nested=False)),
        ("trainable", InnerArgument("trainable", "base", is_nested=False)),
    ],
)
def test_a_model_in_the_place_of_a_layer(argument: str, expected: InnerArgument) -> None:
    base = row("base", "Functional", DENSE, NORM, arguments=ELEMENTS)
    assert inner_argument(base, argument) == expected


def test_a_layer_that_is_not_known_is_not_guessed() -> None:
    fewer = row("base", "Functional", DENSE, arguments=ELEMENTS)
    crossed = row("base", "Functional", NORM, DENSE, arguments=ELEMENTS)
    for base in (fewer, crossed):
        assert inner_argument(base, "layers[1].units").layer == "base"


def test_a_wrapper_keeps_the_argument_of_its_layer_but_not_of_a_model_in_it() -> None:
    wrapped = row("td", "TimeDistributed", DENSE, arguments={"layer": "Dense"})
    assert inner_argument(wrapped, "layer.units") == InnerArgument(
        "layer.units", "td", is_nested=False
    )
    model = row("base", "Sequential", DENSE)
    both = row(
        "td",
        "TimeDistributed",
        model,
        arguments={"layer": "Sequential", "layer.layers[0]": "Dense"},
    )
    assert inner_argument(both, "layer.layers[0].units") == InnerArgument(
        "units", "td/base/dense", is_nested=True
    )
