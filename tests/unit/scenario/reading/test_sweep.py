"""Single cells of a matrix of any size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from layerlens.errors import ScenarioError
from layerlens.scenario.reading.scenarios import read_scenarios
from layerlens.scenario.reading.sweep import open_sweep

TEXT = """\
input: {shape: [4]}
models: {one: [Dense: "${units}"], other: [{Dense: "${units}"}, {Activation: "${name}"}]}
matrix: {name: [linear, relu], units: [1, 2, 3]}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(TEXT)
    return path


def test_cells_are_those_of_the_file_in_its_order(path):
    sweep = open_sweep(path)
    assert sweep.total == 6
    assert [sweep.scenario(number) for number in range(6)] == list(read_scenarios(path))


def test_a_file_without_a_matrix_has_one_cell(path):
    path.write_text("input: {shape: [4]}\nmodels: {one: [Dense: 3], other: [Dense: 3]}\n")
    sweep = open_sweep(path)
    assert (sweep.total, sweep.scenario(0)) == (1, read_scenarios(path)[0])


def test_any_number_of_cells_takes_no_memory_before_they_are_run(path):
    many = ", ".join(map(str, range(1, 101)))
    axes = ", ".join(f"{name}: [{many}]" for name in ("units", "b", "c", "d"))
    path.write_text(TEXT.partition("matrix")[0] + f"matrix: {{name: [relu], {axes}}}\n")
    tracemalloc.start()
    try:
        sweep = open_sweep(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sweep.total == 10**8
    assert sweep.scenario(10**8 - 2).cell == {
        "name": "relu", "units": 100, "b": 100, "c": 100, "d": 99
    }  # fmt: skip
    assert peak < 20 * 2**20
    with pytest.raises(ScenarioError, match="at most 10,000 are run"):
        read_scenarios(path)


def test_faults_of_the_file_and_of_its_ends_are_told_at_once(path):
    path.write_text(TEXT.replace("[1, 2, 3]", "[1, 2, many]"))
    with pytest.raises(ScenarioError, match="integer"):
        open_sweep(path)
    path.write_text(TEXT.replace("models", "modles"))
    with pytest.raises(ScenarioError, match="modles"):
        open_sweep(path)
