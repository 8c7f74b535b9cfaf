"""The frames: one fact a column, types that know a missing value, counts exact."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from layerlens.report.frames import frame, layers_frame, pairs_frame, probes_frame
from layerlens.report.from_json import report_from_dict
from layerlens.report.rows import COLUMNS
from layerlens.run.report import Report
from tests.unit.tables.paths import REPORTS

FOLDER = REPORTS


def report_of(name: str) -> Report:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    return Report.of(report_from_dict(json.loads(text)))


@pytest.mark.parametrize("kind", ["pairs", "layers", "probes"])
@pytest.mark.parametrize("name", ["equal", "matrix", "summary", "wide"])
def test_the_columns_are_the_same_whatever_is_in_them(kind, name):
    table = frame(report_of(name), kind)
    assert list(table.columns) == list(COLUMNS[kind])


def test_pairs():
    table = pairs_frame(report_of("different"))
    assert list(table["verdict"]) == ["different", "inconclusive"]
    assert table["held"].dtype == "boolean"
    assert not table["held"].any()
    assert table["mismatched"].dtype == "Int64"
    assert table["mismatched"][0] == 511
    assert pd.isna(table["mismatched"][1])
    assert table["max_abs"].dtype == "float64"
    assert table["reference_output_shape"][0] == (None, 4)


def test_a_scenario_at_fault_is_a_row():
    table = pairs_frame(report_of("matrix"))
    assert list(table["status"]) == ["pass", "fail", "error"]
    assert "unknown layer" in table["error"].iloc[-1]
    assert table["cell"][0] == {"units": 8, "seq": True}


def test_large_counts_stay_exact():
    table = layers_frame(report_of("summary"))
    assert table["params"].dtype == "Int64"
    assert table["params"][1] == 38_655_098_880
    assert list(table["depth"]) == [0, 0, 1, 1, 0, 0, 0]
    assert table["shared_with"].iloc[5] == "dense"


def test_probes():
    table = probes_frame(report_of("equal"))
    assert len(table) == 6
    assert table["max_abs"].max() == pytest.approx(5.96e-08, rel=1e-3)


def test_an_unknown_kind():
    with pytest.raises(ValueError, match="unknown kind 'models': one of pairs, layers, probes"):
        frame(report_of("equal"), "models")  # type: ignore[arg-type]


def test_the_report_hands_itself_over():
    report = report_of("equal")
    assert report.to_dataframe().equals(pairs_frame(report))
    assert len(report.to_dataframe("layers")) == 7
    assert json.loads(report.to_json()) == report.to_dict()
    assert report.to_markdown().startswith("## Dense vs TimeDistributed")
    assert report.to_html().startswith("<!DOCTYPE html>")
    assert report._repr_html_().startswith("<div")
