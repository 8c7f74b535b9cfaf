"""The facts below a pair's verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerlens.render.pair_facts import pair_facts
from layerlens.report.pairs import Counterexample
from tests.unit.tables.stored_reports import report_of, scenario_of, terminal


def in_full(report, width=80):
    return terminal(report, width, verbose=True)


def test_a_reshaped_weight_is_listed_and_one_carried_as_it_is_is_not():
    assert "dense/kernel (8, 4) → conv1d/kernel (1, 8, 4)" in in_full(report_of("weak"), 100)
    scenario = scenario_of("equal")
    (fact,) = (
        one
        for one in pair_facts(scenario, scenario.pairs[0], verbose=False)
        if one.label == "weights"
    )
    assert fact.lines[0] == "5 carried over, by order"
    assert not any("→ dense/bias" in line for line in fact.lines)
    bias = "time_distributed/dense/bias (15,) → dense/bias (15,)"
    assert bias in in_full(report_of("equal"), 100)


def test_an_exact_agreement_is_told_in_one_line():
    text = in_full(report_of("weak"), 100)
    assert "difference      none: all 4,096 values agree exactly" in text
    assert "rounding" not in text
    assert "values mismatched" in in_full(report_of("equal"), 100)


def test_nan_and_infinity():
    text = in_full(report_of("different"), 100)
    assert "nan abs, not measured rel: NaN, eager" in text
    assert "max rel inf" in text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([[0.0] * 20], "input (1, 20), all zeros"),
        ([[0.0, 0.0]], "input (1, 2) = [[0, 0]]"),
        ([[0.0] * 19 + [7.0]], "input (1, 20) = ["),
    ],
)
def test_an_input_of_zeros_is_not_written_in_full(given, text):
    scenario = scenario_of("different")
    found = Counterexample("normal", "eager", (0,), 0.5, 1.5, given)
    pair = replace(scenario.pairs[0], counterexample=found)
    (fact,) = (
        one for one in pair_facts(scenario, pair, verbose=False) if one.label == "counterexample"
    )
    assert fact.lines[-1].strip().startswith(text)


def test_a_large_input_is_told_by_its_entries():
    text = in_full(report_of("several_inputs"), 100)
    assert "input query (1, 12, 8), 96 of 96 not zero:" in text
    assert "and 80 more; the JSON report has all of them" in " ".join(text.split())
    assert "input value (2, 1, 2) = [[[1, nan]], [[0, -inf]]]" in text
    assert "reference 0.1000000001" in text, "as many digits as it takes to tell them apart"
