"""One scenario for each cell of a matrix."""

from __future__ import annotations

from typing import Any

from layerlens.scenario.reading.scenarios import (
    read_scenarios,
)

INPUT = "input: {shape: [64, 15]}\n"


MODELS = "models: {a: [Flatten], b: [Flatten]}\n"


def test_a_matrix_gives_one_scenario_for_each_cell(write: Any) -> None:
    scenarios = read_scenarios(
        write(
            "title: ${cell} of ${units}\ninput: {shape: [64, ${features}]}\n"
            "matrix: {units: [8, 16], cell: [GRU, LSTM], features: [null]}\n"
            "models:\n"
            "  a: [${cell}: {units: ${units}}]\n"
            "  b: [{RNN: {cell: {${cell}Cell: ${units}}}}]\n"
            "expect: {models: {a: {output_shape: [null, ${units}]}}}\n"
        )
    )
    titles = ["GRU of 8", "LSTM of 8", "GRU of 16", "LSTM of 16"]
    assert [scenario.title for scenario in scenarios] == titles
    last = scenarios[-1]
    assert last.cell == {"units": 16, "cell": "LSTM", "features": None}
    assert last.inputs[0].shape == (64, None)
    assert last.model("a").layers[0].type == "LSTM"
    assert last.model("b").layers[0].arguments["cell"].type == "LSTMCell"
    assert last.expect is not None
    assert last.expect.models["a"].output_shape == (None, 16)


def test_a_matrix_is_bounded(told: Any) -> None:
    axis = list(range(101))
    (found,) = told(f"{INPUT}{MODELS}matrix: {{x: {axis}, y: {axis}}}\n")
    assert "the matrix has 10,201 cells; at most 10,000 are run" in found
