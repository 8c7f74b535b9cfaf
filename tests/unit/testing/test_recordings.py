"""`assert_matches_recording` on models, layers and scenario files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.errors import UsageError
from layerlens.run.recorded_file import RecordedFile
from layerlens.testing.assertions import Assertions

pytestmark = pytest.mark.usefixtures("backend")

SCENARIO = """\
input: {shape: [4]}
models:
  plain: [Dense: 3]
  relu: [Dense: {units: 3, activation: relu}]
"""


class Scaled(keras.Model):
    """A model that does not say what it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.inner(x)


def updating(found: list[RecordedFile]) -> Assertions:
    return Assertions(update=True, on_recorded=found.append)


def test_an_update_writes_and_tells(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    found: list[RecordedFile] = []
    updating(found).assert_matches_recording(keras.layers.Dense(3), path, inputs=[4])
    assert [one.path for one in found] == [str(path)]
    report = Assertions().assert_matches_recording(keras.layers.Dense(3), path)
    assert report.scenarios[0].pairs[0].strength == "tested"


def test_a_model_that_does_not_say_what_it_takes(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    updating([]).assert_matches_recording(keras.layers.Dense(3), path, inputs=[4])
    Assertions().assert_matches_recording(Scaled(), path)
    # The inputs of the recording in place are used to write it anew.
    updating([]).assert_matches_recording(Scaled(), path)


def test_a_model_of_a_scenario(tmp_path: Path) -> None:
    scenario, path = tmp_path / "dense.yaml", tmp_path / "golden.npz"
    scenario.write_text(SCENARIO)
    updating([]).assert_matches_recording(str(scenario), path)
    Assertions().assert_matches_recording(f"{scenario}::plain", path)
    with pytest.raises(AssertionError, match="expected equivalent, received different") as failed:
        Assertions().assert_matches_recording(f"{scenario}::relu", path)
    assert "--layerlens-update" in str(failed.value)
    assert Assertions().assert_matches_recording(f"{scenario}::relu", path, tolerance=(1e9, 1e9))


def test_a_matrix_is_not_one_model(tmp_path: Path) -> None:
    scenario = tmp_path / "dense.yaml"
    scenario.write_text("matrix: {n: [1, 2]}\n" + SCENARIO.replace("3", '"${n}"'))
    with pytest.raises(UsageError, match="has 2 cells of a matrix"):
        updating([]).assert_matches_recording(str(scenario), tmp_path / "golden.npz")
    assert not (tmp_path / "golden.npz").exists()


def test_what_is_not_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    np.savez(path, x=np.zeros(3))
    content = path.read_bytes()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(AssertionError, match="is not a recording of layerlens"):
        Assertions().assert_matches_recording(model, path)
    with pytest.raises(UsageError, match="it is not a recording, and would be overwritten"):
        updating([]).assert_matches_recording(model, path)
    assert path.read_bytes() == content
