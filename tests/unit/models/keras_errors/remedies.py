"""Tries remedies: Keras refuses the broken layers, and builds them as the remedy says.

A case is a line: its name, the input shapes, the broken layers, words of the remedy, and the layers
mended as it says, or `none`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML

from layerlens.models.build_model import build_model
from layerlens.report.layers import ModelError
from layerlens.scenario import keras_catalog
from layerlens.scenario.faults import Faults
from layerlens.scenario.reading.layers import read_layer
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec
from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import YamlMapping


def cases(table: str) -> list[Any]:
    lines = table.strip().splitlines()
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return [pytest.param(*rest, id=name) for name, *rest in cells]


def yaml_of(text: str) -> Any:
    return YAML(typ="safe").load(text)


def layers_of(text: str) -> list[Any]:
    return [yaml_of(f"{{{layer}}}") if ":" in layer else layer for layer in _split(text)]


def _split(text: str) -> list[str]:
    """Split at commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in (*parts, text[start:])]


def _nodes(text: str) -> dict[str, Any]:
    nodes = {}
    for part in _split(text):
        name, _, node = part.partition(": ")
        nodes[name] = _node(node.strip("{}") if node.count("{") == 1 else node[1:-1])
    return nodes


def _node(text: str) -> dict[str, Any]:
    layer, inputs = _split(text)
    given = yaml_of(f"{{{layer}}}") if ":" in layer else {layer: None}
    return {**given, **yaml_of(f"{{{inputs}}}")}


def build(inputs: dict[str, Any], model: Any) -> Any:
    other = {"graph": {"f": {"Flatten": None, "from": [next(iter(inputs))]}}, "outputs": ["f"]}
    key = {"inputs": inputs} if len(inputs) > 1 else {"input": inputs["input"]}
    (scenario,) = scenario_from_mapping({**key, "models": {"subject": model, "other": other}})
    spec = scenario.model("subject")
    return build_model(spec, scenario.inputs_of(spec), allocate=False)


def error_of(built: Any) -> ModelError:
    error = built.report.error
    assert error is not None, f"Keras built it: {built.report.output_shape}"
    check_can_be_typed(error.hint or "")
    return error


#: What a hint may say that is no argument of a layer, nor a layer: keys of a scenario.
KEYS = ("from", "shape", "target", "loss", "high", "low", "dtype", "select")


def check_can_be_typed(hint: str) -> None:
    """Hold everything in a hint that is written as YAML against the reader."""
    for text in re.findall(r"`([^`]+)`", hint):
        key, colon, _ = text.partition(": ")
        if not colon or " " in key:
            continue
        document = parse_yaml(f"[{{{text}}}]", "<hint>")
        assert not document.faults, f"{text}: {document.faults}"
        (item,) = document.value
        if key in keras_catalog.layer_names():
            faults = Faults("<hint>")
            read_layer(item, None, faults)
            assert not faults, f"{text}: {faults.found}"
        elif key not in KEYS:
            takers = [n for n in keras_catalog.layer_names() if _offers(n, key)]
            assert takers, f"no layer has an argument `{key}`: {hint}"
            assert any(_takes(name, key, item[key]) for name in takers), f"{text}: {hint}"


def _offers(name: str, argument: str) -> bool:
    return keras_catalog.signature(name).argument(argument) is not None


def _takes(name: str, argument: str, value: Any) -> bool:
    item, body = YamlMapping(), YamlMapping()
    body.put(argument, value, None, None)
    item.put(name, body, None, None)
    faults = Faults("<hint>")
    read_layer(item, None, faults)
    return not any(argument in fault.message.split("needs")[0] for fault in faults.found)


def refusal_of(given: InputSpec, shape: Any, *layers: LayerSpec) -> str:
    """Return the remedy if Keras refuses the layers, else an empty text."""
    spec = ModelSpec("m", "layers", layers=layers)
    error = build_model(spec, (replace(given, shape=shape),), allocate=False).report.error
    return (error.hint or "") if error else ""


def check_chain(shape: str, broken: str, words: str, mended: str) -> None:
    """Check that the remedy of a refused chain has these words, and that its repair builds."""
    inputs = {"input": {"shape": yaml_of(shape)}}
    error = error_of(build(inputs, layers_of(broken)))
    assert words in (error.hint or "")
    assert "Arguments received" not in error.message
    if mended != "none":
        assert build(inputs, layers_of(mended)).report.error is None


def check_graph(shapes: str, broken: str, words: str, mended: str) -> None:
    """Check that the remedy of a refused node `x` has these words, and that its repair builds."""
    a, b = shapes.replace("] [", "]|[").split("|")
    inputs = {"a": {"shape": yaml_of(a)}, "b": {"shape": yaml_of(b)}}
    rest = {"rest": {"Flatten": None, "from": ["b"]}}
    broken_model = {"graph": {"x": _node(broken), **rest}, "outputs": ["x", "rest"]}
    error = error_of(build(inputs, broken_model))
    assert words in (error.hint or "")
    mended_model = {"graph": {**_nodes(mended), **rest}, "outputs": ["x", "rest"]}
    assert build(inputs, mended_model).report.error is None
