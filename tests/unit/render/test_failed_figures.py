"""The params or shapes that an assertion is about."""

from __future__ import annotations

from dataclasses import replace

from layerlens.render.failed_figures import failed_figures
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.report.run import ExpectationRow, ScenarioReport

LAYERS = (
    LayerRow(
        "dense", "Dense", "dense", (None, 4), (None, 3), 15, "float32", counted="4×3 + 3 = 15"
    ),
    LayerRow("re_lu", "ReLU", "re_lu", (None, 3), (None, 3), 0, "float32"),
)
MODEL = ModelReport("model", 15, 15, 0, (None, 3), LAYERS)
SCENARIO = ScenarioReport("<python>", None, None, "fail", 0.0, models=(MODEL,))


def text(*rows: ExpectationRow, figure: str = "params") -> list[str]:
    found = failed_figures(replace(SCENARIO, expectations=rows), figure)  # type: ignore[arg-type]
    return found.splitlines()


def test_the_count_of_a_model_has_all_its_layers() -> None:
    assert text(ExpectationRow("model.params", 16, 15, held=False)) == [
        "model.params: expected 16, received 15",
        "",
        "  dense (Dense)  15  (4×3 + 3 = 15)",
        "  re_lu (ReLU)    0",
    ]


def test_the_count_of_a_layer_has_that_layer_alone() -> None:
    held = ExpectationRow("model.params", 15, 15, held=True)
    failed = ExpectationRow("model.layers.re_lu.params", 3, 0, held=False)
    assert text(held, failed) == [
        "model.layers.re_lu.params: expected 3, received 0",
        "",
        "✘ re_lu (ReLU)  0  expected 3",
    ]


def test_a_shape_has_shapes_and_no_counts() -> None:
    row = ExpectationRow("model.output_shape", [None, 4], [None, 3], held=False)
    assert text(row, figure="output_shape") == [
        "model.output_shape: expected (None, 4), received (None, 3)",
        "",
        "  dense (Dense)  (None, 3)",
        "  re_lu (ReLU)   (None, 3)",
    ]
