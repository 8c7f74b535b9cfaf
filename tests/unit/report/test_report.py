"""Every row of a report is found under `layerlens.report`, wherever it is kept."""

from __future__ import annotations

from dataclasses import is_dataclass

import pytest

from layerlens import report


def test_every_row_is_found_and_no_other_name():
    rows = {
        name
        for name, value in report.row_types().items()
        if is_dataclass(value) and value.__module__.startswith("layerlens.report.")
    }
    assert {"Report", "PairReport", "LayerRow", "FitRow", "ModelsDiff"} <= rows
    assert all(getattr(report, name).__name__ == name for name in rows)
    with pytest.raises(AttributeError, match="no attribute 'NoSuchRow'"):
        report.NoSuchRow  # noqa: B018
