"""The facts below a pair's verdict."""

from __future__ import annotations

from tests.unit.tables.stored_reports import (
    report_of,
    terminal,
)


def test_a_reshaped_weight_is_listed_and_one_carried_as_it_is_is_not():
    assert "dense/kernel (8, 4) → conv1d/kernel (1, 8, 4)" in terminal(report_of("weak"), 100)
    short = terminal(report_of("equal"), 100)
    assert "5 carried over, by order" in short
    assert "→ dense/bias" not in short
    assert "time_distributed/dense/bias (15,) → dense/bias (15,)" in terminal(
        report_of("equal"), 100, verbose=True
    )


def test_an_exact_agreement_is_told_in_one_line():
    text = terminal(report_of("weak"), 100)
    assert "difference      none: all 4,096 values agree exactly" in text
    assert "rounding" not in text
    assert "values mismatched" in terminal(report_of("equal"), 100)


def test_nan_and_infinity():
    text = terminal(report_of("different"), 100)
    assert "nan abs, not measured rel: NaN, eager" in text
    assert "max rel inf" in text


def test_a_large_input_is_told_by_its_entries():
    text = terminal(report_of("several_inputs"), 100)
    assert "input query (1, 12, 8), 96 of 96 not zero:" in text
    assert "and 80 more; the JSON report has all of them" in " ".join(text.split())
    assert "input value (2, 1, 2) = [[[1, nan]], [[0, -inf]]]" in text
    assert "reference 0.1000000001" in text, "as many digits as it takes to tell them apart"
