"""Layers on one line, as a scenario reads them back."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.notation import argument_text, layer_text, value_text
from layerlens.scenario.spec import LayerSpec
from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import plain


def test_a_layer_without_arguments_is_its_name() -> None:
    assert layer_text(LayerSpec("ReLU")) == "ReLU"
    assert layer_text(LayerSpec("Dense", {"units": 4})) == "Dense: {units: 4}"


def test_a_layer_inside_another_one_is_a_mapping() -> None:
    inner = LayerSpec("Dense", {"units": 4})
    assert layer_text(LayerSpec("TimeDistributed", {"layer": inner})) == (
        "TimeDistributed: {layer: {Dense: {units: 4}}}"
    )


def test_a_keras_configuration_is_written_by_its_class() -> None:
    value = {"class_name": "RandomNormal", "config": {"stddev": 0.1}}
    assert argument_text("kernel_initializer", value) == (
        "kernel_initializer: {RandomNormal: {stddev: 0.1}}"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (0.5, "0.5"),
        (float("inf"), ".inf"),
        (float("-inf"), "-.inf"),
        ("relu", "relu"),
        ("null", '"null"'),
        ("1e3", '"1e3"'),
        ("a: b", '"a: b"'),
        ("\x1b", '"\\u001b"'),
        ("\u2028", '"\\U00002028"'),
        ((1, (2, "x")), "[1, [2, x]]"),
    ],
)
def test_a_value_is_written_so_that_it_is_read_back(value: Any, text: str) -> None:
    assert value_text(value) == text
    read = plain(parse_yaml(f"a: {text}", "a.yaml").value)["a"]
    assert read == ([1, [2, "x"]] if isinstance(value, tuple) else value)
