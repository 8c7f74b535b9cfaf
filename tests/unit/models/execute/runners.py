"""Runners of models that are described in a line."""

from __future__ import annotations

from typing import Any

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec
from tests.unit.tables.pairs import chain, input_of, layer

DENSE = layer("Dense", units=3)
VECTOR = input_of(4)


def runner(model: ModelSpec, *inputs: InputSpec, precision: Any = "working") -> KerasRunner:
    built = build_model(model, inputs or (VECTOR,), precision=precision)
    assert isinstance(built, Built), built.report.error
    return KerasRunner(built)


def of(*layers: LayerSpec) -> KerasRunner:
    return runner(chain("m", *layers))
