"""The record of a run as plain data."""

from __future__ import annotations

import json
import math

from layerlens.report.pairs import Rounding
from layerlens.report.run import SCHEMA_VERSION, to_plain
from tests.unit.tables.stored_reports import report_of


def test_plain_data_has_lists_and_texts_for_what_json_lacks() -> None:
    row = Rounding(math.nan, -math.inf)
    assert to_plain({1: (row, math.inf, 0.5)}) == {
        "1": [{"expected": "nan", "float64_max_abs": "-inf"}, "inf", 0.5]
    }


def test_a_record_is_strict_json_with_models_by_name() -> None:
    data = report_of("equal").to_dict()
    assert data["schema"] == SCHEMA_VERSION
    assert list(data["scenarios"][0]["models"]) == ["td", "dense"]
    assert "name" not in data["scenarios"][0]["models"]["td"]
    json.dumps(data, allow_nan=False)
