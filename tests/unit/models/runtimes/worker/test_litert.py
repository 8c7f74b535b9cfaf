"""A LiteRT file's inputs and outputs have the names and the order of the exported model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import layerlens

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


def subtracting(names: tuple[str | None, str | None], *, swapped: bool = False) -> Any:
    one, other = (keras.Input((3,), name=name) for name in names)
    parts = [other, one] if swapped else [one, other]
    return keras.Model([one, other], keras.layers.Subtract()(parts))


def compared(ours: Any, exported: Any, folder: Path) -> tuple[str, str]:
    ours.save(folder / "ours.keras")
    exported.export(folder / "m.tflite", format="litert", verbose=False)
    report = layerlens.compare(str(folder / "ours.keras"), str(folder / "m.tflite"))
    (pair,) = report.scenarios[0].pairs
    return pair.verdict, pair.explanation


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("before", [0, 8, 98])
def test_inputs_without_names_are_paired_in_the_order_in_which_they_were_made(
    tmp_path: Path, before: int, swapped: bool
) -> None:
    """The converter lists them in any order; the numbers in their names count up."""
    keras.backend.clear_session()
    for _ in range(before):
        keras.Input((3,))
    ours = subtracting((None, None))
    verdict, text = compared(ours, subtracting((None, None), swapped=swapped), tmp_path)
    assert verdict == ("different" if swapped else "equivalent")
    assert "which input is which" not in text


@pytest.mark.parametrize("names", [("p", "q"), ("q", "p")])
def test_inputs_whose_names_and_order_tell_nothing(tmp_path: Path, names: tuple[str, str]) -> None:
    """The outputs tell, and it is said; a file that agrees in no order differs."""
    ours = subtracting(("a", "b"))
    verdict, text = compared(ours, subtracting(names), tmp_path)
    assert verdict == "equivalent"
    assert "names and shapes do not tell which input is which" in text
    one, other = (keras.Input((3,), name=name) for name in names)
    wrong = keras.Model([one, other], keras.layers.Add()([one, other]))
    verdict, text = compared(ours, wrong, tmp_path)
    assert verdict == "different"
    assert "the inputs may be in another order, but the models do not agree then either" in text


def test_inputs_with_names_that_are_swapped(tmp_path: Path) -> None:
    wrong = subtracting(("a", "b"), swapped=True)
    assert compared(subtracting(("a", "b")), wrong, tmp_path)[0] == "different"


def test_an_output_that_a_model_returns_twice(tmp_path: Path) -> None:
    from layerlens.models.runtimes.worker.litert import LiteModel

    given = keras.Input((3,))
    twice = keras.layers.Rescaling(2.0)(given)
    model = keras.Model(given, [twice, keras.layers.Rescaling(3.0)(given), twice])
    model.export(tmp_path / "m.tflite", format="litert", verbose=False)
    lite = LiteModel(str(tmp_path / "m.tflite"))
    outputs = lite.run("working", [np.ones((2, 3), "float32")])
    assert [float(output[0, 0]) for output in outputs] == [2.0, 3.0, 2.0]


@pytest.mark.parametrize(("change", "verdict"), [(0.0, "equivalent"), (1e-2, "different")])
def test_a_runtime_that_adds_one_number_after_another(
    tmp_path: Path, change: float, verdict: str
) -> None:
    """The error of a long sum is greater there than that of TensorFlow, which adds in blocks."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((7, 7, 64)), *layers])
    rng = np.random.default_rng(3)
    signs = [rng.choice([-1, 1], w.shape) for w in model.weights]
    values = [rng.uniform(0.2, 0.9, sign.shape) * sign for sign in signs]
    model.set_weights(values)
    model(np.zeros((1, 7, 7, 64), "float32"))
    model.export(tmp_path / "m.tflite", format="litert", verbose=False)
    model.set_weights([values[0], values[1] + change])
    model.save(tmp_path / "m.keras")
    report = layerlens.compare(str(tmp_path / "m.keras"), str(tmp_path / "m.tflite"))
    (pair,) = report.scenarios[0].pairs
    assert pair.verdict == verdict, pair.explanation
    told = "The layer where they part is not known: LiteRT does not show the results inside a file"
    assert (told in pair.explanation) == (verdict == "different")
