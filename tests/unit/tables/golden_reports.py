"""The reports of `tests/golden/reports`, read from their JSON."""

from __future__ import annotations

import json

from layerlens.report.from_json import report_from_dict
from layerlens.run.report import Report
from tests.unit.tables.paths import REPORTS

NAMES = sorted(path.stem for path in REPORTS.glob("*.json"))


def report_of(name: str) -> Report:
    """Return the report of a JSON file, without its suffix."""
    text = (REPORTS / f"{name}.json").read_text(encoding="utf-8")
    return Report.of(report_from_dict(json.loads(text)))
