"""The words shared by all formats."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from layerlens.render import wording
from layerlens.report.layers import LayerRow
from layerlens.report.run import ExpectationRow
from tests.unit.tables.stored_reports import report_of, scenario_of

LAYER = LayerRow("gru", "GRU", "gru", (None, 4, 2), (None, 4, 3), 63, "float32")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "not measured"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (0.0, "0"),
        (1234.0, "1,234"),
        (0.000123456, "0.000123"),
    ],
)
def test_a_difference_has_three_digits(number: float | None, text: str) -> None:
    assert wording.figure(number) == text


def test_counts_and_plurals() -> None:
    assert [wording.count(n) for n in (None, 0, 1234567)] == ["–", "0", "1,234,567"]
    assert [wording.plural(n, "probe") for n in (1, 46)] == ["1 probe", "46 probes"]


def test_sizes_in_bytes_are_also_in_larger_units() -> None:
    assert wording.figure_text("bytes in float32", 7164) == "7,164 (7.2 KB)"
    assert wording.figure_text("bytes in float32", 592) == "592"
    assert wording.figure_text("params", 7164) == "7,164"
    assert wording.figure_text("activation bytes", None) == wording.count(None)


def test_values_that_differ_are_shown_so_that_they_do() -> None:
    assert wording.distinct_values(0.5, 0.25) == ("0.5", "0.25")
    first, second = wording.distinct_values(0.1, 0.1 + 1e-12)
    assert first != second


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (None, "–"),
        ((None, 4), "(None, 4)"),
        (((None, 4), (None,)), "(None, 4), (None,)"),
        ({"a": (2,)}, "a: (2,)"),
        ("lstm", "lstm"),
    ],
)
def test_shapes(shape: Any, text: str) -> None:
    assert wording.shapes_text(shape) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "nothing"), (True, "true"), (1839, "1,839"), (0.5, "0.5"), ([None, 4], "(None, 4)")],
)
def test_expected_and_actual_values(value: Any, text: str) -> None:
    assert wording.value_text(value) == text


def test_an_expectation_that_fails_has_both_values() -> None:
    row = ExpectationRow("td.params", 1, 2, False)
    assert wording.expectation_line(row) == "td.params: expected 1, received 2"
    assert wording.expectation_line(replace(row, actual=1, held=True)) == (
        "td.params: 1, as expected"
    )


def test_a_title_has_the_values_of_its_cell() -> None:
    scenario = replace(scenario_of("equal"), title="A", cell={"units": 16, "bias": True})
    assert wording.full_title(scenario) == "A [units=16, bias=true]"
    assert wording.full_title(replace(scenario, title=None, cell=None)) == scenario.path


@pytest.mark.parametrize(
    ("mask_in", "mask_out", "use", "note", "lost"),
    [
        (None, None, None, None, False),
        (False, True, None, "mask: created here", False),
        (True, True, "read", "mask: read and passed on", False),
        (True, True, "ignored", "mask: ignored and passed on", True),
        (True, False, "read", "mask: read, ends here", True),
        (True, False, "ignored", "mask: ignored and dropped", True),
        (True, None, None, "mask: received, perhaps passed on", True),
    ],
)
def test_masks(mask_in: Any, mask_out: Any, use: Any, note: str | None, lost: bool) -> None:
    layer = replace(LAYER, mask_in=mask_in, mask_out=mask_out, mask_use=use)
    assert wording.mask_note(layer) == note
    assert wording.mask_lost(layer) is lost


@pytest.mark.parametrize(
    ("mixes", "window", "note"),
    [
        (None, None, "mixes: not measured"),
        ("anti_causal", None, "mixes: anti-causal, later steps seen"),
        ("window", (3, 2), "mixes: window, 3 steps seen, stride 2"),
        ("causal", (1, 1), "mixes: causal, 1 step seen, none behind"),
    ],
)
def test_mixing(mixes: Any, window: Any, note: str) -> None:
    assert wording.mixes_note(replace(LAYER, mixes=mixes, window=window)) == note


def test_only_a_cell_of_the_same_layer_is_not_shown() -> None:
    cell = replace(LAYER, type="GRUCell")
    assert wording.inner_layers(replace(LAYER, holds=(cell,))) == ()
    assert wording.inner_layers(replace(LAYER, type="RNN", holds=(cell,))) == (cell,)


def test_a_formula_that_repeats_the_count_is_left_out() -> None:
    assert wording.count_note(replace(LAYER, formula="63")) is None
    assert wording.count_note(replace(LAYER, formula="63 = 9×7")) == "63 = 9×7"
    assert wording.count_note(replace(LAYER, formula="a", counted="b")) == "b"


def test_long_arguments_are_cut() -> None:
    assert wording.argument([1, None, True]) == "[1, none, true]"
    assert wording.argument("x" * 100) == "x" * 60 + "…"


def test_the_tally_names_every_status() -> None:
    report = report_of("equal")
    failed = replace(report.scenarios[0], status="fail")
    assert wording.tally(report) == "1 scenario: 1 pass"
    assert wording.tally(replace(report, scenarios=(*report.scenarios, failed))) == (
        "2 scenarios: 1 pass, 1 fail"
    )
    assert wording.tally(replace(report, scenarios=())) == "no scenarios"


def test_a_refusal_is_shown_with_its_pair_or_else_alone() -> None:
    scenario = scenario_of("build_error")
    shown = [wording.pair_refusal(scenario, pair) for pair in scenario.pairs]
    assert any(shown)
    assert wording.other_refusals(replace(scenario, pairs=())) == [one for one in shown if one]
