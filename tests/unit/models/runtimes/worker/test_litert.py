"""A LiteRT file's inputs and outputs have the names and the order of the exported model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the extra `litert` is not installed")
pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.filterwarnings("ignore"),  # what the converter warns of does not concern this
]


def test_outputs_are_in_the_order_of_the_model(tmp_path: Path) -> None:
    from layerlens.models.runtimes.worker.litert import LiteModel

    one, other = keras.Input((3,), name="b"), keras.Input((3,), name="a")
    outputs: list[Any] = [
        keras.layers.Average()([one, other]),
        keras.layers.Subtract()([one, other]),
        keras.layers.Maximum()([one, other]),
    ]
    model = keras.Model([one, other], outputs)
    values = [np.float32([[1, 2, 3]]), np.float32([[3, 0, 9]])]
    expected = [np.asarray(output) for output in model(values)]
    model.export(tmp_path / "m.tflite", format="litert", verbose=False)
    lite = LiteModel(str(tmp_path / "m.tflite"))
    told = lite.described()
    assert [row["name"] for row in told["outputs"]] == ["output_0", "output_1", "output_2"]
    order = ["b", "a"]
    given = [values[order.index(row["name"])] for row in told["inputs"]]
    for output, wanted in zip(lite.run("working", given), expected, strict=True):
        np.testing.assert_allclose(output, wanted)
