"""Sizes of graphs: the operations that a model's trace has, functions and loop bodies included."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.graph_size import with_graph_sizes
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec

pytestmark = pytest.mark.usefixtures("backend")


def test_a_loop_counts_once_and_its_body_counts() -> None:
    def size(steps: int, **more: Any) -> int:
        spec = ModelSpec("m", "layers", layers=(LayerSpec("SimpleRNN", {"units": 2, **more}),))
        built = build_model(spec, (InputSpec("x", (steps, 3)),))
        assert isinstance(built, Built)
        traced = with_graph_sizes(built.report, built)
        assert traced.graph_ops is not None
        assert traced.layers[0].graph_ops is not None
        return traced.graph_ops

    assert size(5) == size(50) > 40
    assert size(10, unroll=True) > 1.5 * size(5, unroll=True)
