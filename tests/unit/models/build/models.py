"""Models that are described in a line, and built."""

from __future__ import annotations

from typing import Any

from layerlens.models.build.request import Built, Refused
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec

SEQUENCE = (InputSpec("input", (64, 15)),)
VECTOR = (InputSpec("input", (6,)),)


def chain(*layers: LayerSpec, **more: Any) -> ModelSpec:
    return ModelSpec("m", "layers", layers=layers, **more)


def graph(*nodes: NodeSpec, outputs: tuple[str, ...]) -> ModelSpec:
    return ModelSpec("m", "graph", nodes=nodes, outputs=outputs)


def node(name: str, spec: LayerSpec | None, *inputs: str, share: str | None = None) -> NodeSpec:
    return NodeSpec(name, spec, inputs, share)


def build(spec: ModelSpec, inputs: tuple[InputSpec, ...] = VECTOR, **how: Any) -> Built:
    result = build_model(spec, inputs, **how)
    assert isinstance(result, Built), result.report.error
    return result


def refusal(spec: ModelSpec, inputs: tuple[InputSpec, ...] = VECTOR) -> Refused:
    result = build_model(spec, inputs)
    assert isinstance(result, Refused)
    return result
