"""CSV has one row per pair or per layer."""

from __future__ import annotations

import csv
import io
import json

from layerlens.render import render
from layerlens.report.rows import COLUMNS
from tests.unit.tables.stored_reports import report_of


def test_csv_of_a_comparison_has_one_row_per_pair():
    rows = list(csv.DictReader(io.StringIO(render(report_of("different"), "csv"))))
    assert list(rows[0]) == list(COLUMNS["pairs"])
    assert [(row["mode"], row["verdict"], row["held"]) for row in rows] == [
        ("inference", "different", "false"),
        ("training", "inconclusive", "false"),
    ]
    assert rows[0]["max_rel"] == "inf"
    assert rows[1]["max_abs"] == "", "not measured is empty, never 0"
    assert rows[0]["also_differs"] == "gradients; non_finite"


def test_csv_of_a_summary_has_one_row_per_layer():
    rows = list(csv.DictReader(io.StringIO(render(report_of("summary"), "csv"))))
    assert [row["depth"] for row in rows] == ["0", "0", "1", "1", "0", "0", "0"]
    assert rows[1]["params"] == "38655098880"


def test_csv_tells_a_scenario_at_fault():
    rows = list(csv.DictReader(io.StringIO(render(report_of("matrix"), "csv"))))
    assert rows[-1]["status"] == "error"
    assert rows[-1]["error"].startswith("unknown layer `Dens`; ")
    assert json.loads(rows[0]["cell"]) == {"units": 8, "seq": True}
