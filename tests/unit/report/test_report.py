"""Every row that a report can hold is known where reports are read."""

from __future__ import annotations

from dataclasses import is_dataclass

from layerlens.report.from_json import row_types


def test_every_row_is_found():
    rows = {
        name
        for name, value in row_types().items()
        if is_dataclass(value) and value.__module__.startswith("layerlens.report.")
    }
    assert {"RunRecord", "PairReport", "LayerRow", "FitRow", "ModelsDiff"} <= rows
