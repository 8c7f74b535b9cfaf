"""The short table: the reference's layers, and below each what is different elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from layerlens.explain.align_layers import align_with_reference
from layerlens.render import RenderOptions
from layerlens.render.short_table import ShortTable
from layerlens.render.wording import reference_first
from layerlens.report.layers import LayerRow, ModelError, ModelReport, RuntimeRow
from layerlens.report.run import ScenarioReport
from tests.unit.tables.stored_reports import NAMES, report_of, scenario_of


def table(scenario: ScenarioReport, width: int = 80, **options: Any) -> ShortTable:
    shown = RenderOptions(width=width, **options)
    return ShortTable(reference_first(scenario), scenario.diffs, shown)


def lines(name: str, width: int = 80, **options: Any) -> list[str]:
    scenario = scenario_of(name)
    found = table(scenario, width, **options).lines(compared=bool(scenario.pairs))
    return [line.plain.rstrip() for line in found]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_no_line_is_wider_than_the_page(name: str, width: int) -> None:
    for scenario in report_of(name).scenarios:
        if scenario.models:
            for line in table(scenario, width).lines(compared=True):
                assert line.cell_len <= max(width, 56)


def test_six_columns_fit_a_page_of_80() -> None:
    columns = ("input", "output", "params", "trainable", "dtype", "bytes")
    assert all(len(line) <= 80 for line in lines("three_models", columns=columns))


def test_three_models_share_one_table() -> None:
    assert lines("three_models", 60) == [
        "  td (reference)                      output shape    params",
        "  gru (GRU)                           (None, 64, 16)   1,536",
        "    mixes: causal, earlier steps seen",
        "    ≠ last: output (None, 16); mixes: reduces, steps reduced",
        "      to one",
        "  time_distributed (TimeDistributed)  (None, 64, 8)      136",
        "    ≠ dense: dense (Dense)",
        "    ≠ last: dense (Dense); output (None, 8)",
        "  activation (Activation)             (None, 64, 8)        0",
        "    ≠ last: output (None, 8)",
        "  ──────────────────────────────────────────────────────────",
        "  params                                               1,672",
    ]


def test_layers_of_one_model_only_and_changed_arguments_are_told() -> None:
    text = "\n".join(lines("masks"))
    assert "≠ after: reset_after: false → true; 120 params" in text
    assert "+ after: norm (LayerNormalization), (None, 6, 4), 8 params" in text
    assert "≠ zeroed: zero_output_for_mask: false → true" in text
    assert "≠ after: 216 params, 864 bytes" in text


def test_a_model_that_keras_refuses_has_its_place() -> None:
    text = "\n".join(lines("build_error"))
    assert "✘ last_only: refused by Keras at time_distributed" in text
    assert "last_only: not here" not in text, "layers behind the refusal are not missing"


def test_a_shared_layer_is_counted_once() -> None:
    text = "\n".join(lines("summary"))
    assert "shared: dense again, counted once" in text


def test_columns_are_chosen_and_counts_explained() -> None:
    text = "\n".join(lines("equal", columns=("params", "dtype", "bytes"), counts=True))
    assert "params  dtype" in text
    assert "output shape" not in text
    assert "1,536 = 15×48 + 16×48 + 48" in text


def test_nested_models_are_listed_to_the_given_depth() -> None:
    inner = LayerRow("dense", "Dense", "s/dense", (None, 3), (None, 2), 8, "float32")
    row = LayerRow("s", "Sequential", "s", (None, 3), (None, 2), 8, "float32", holds=(inner,))
    model = ModelReport("a", 8, 8, 0, (None, 2), (row,))
    for depth, listed in ((None, True), (1, True), (0, False)):
        found = ShortTable([model], [], RenderOptions(depth=depth)).lines(compared=False)
        assert any("└ dense (Dense)" in line.plain for line in found) == listed


def test_an_exported_file_has_no_layers_that_could_be_missing() -> None:
    row = LayerRow("dense", "Dense", "dense", (None, 2), (None, 2), 6, "float32")
    ours = ModelReport("ours", 6, 6, 0, (None, 2), (row,))
    runtime = RuntimeRow("ONNX Runtime", "1.20.0", "3.12.0", "frozen", "widened")
    onnx = ModelReport("onnx", None, None, None, (None, 2), (), runtime=runtime)
    refused = replace(onnx, name="bad", error=ModelError(None, "no operator"))
    models = (ours, onnx, refused)
    diffs = align_with_reference(models)
    shown = ShortTable(models, diffs, RenderOptions(width=80)).lines(compared=True)
    told = "\n".join(line.plain for line in shown)
    assert "onnx: runtime: ONNX Runtime (1.20.0), frozen" in told
    assert "onnx: output (None, 2)" in told
    assert "bad: refused by ONNX Runtime" in told
    assert "not here" not in told
    assert "0 params" not in told
