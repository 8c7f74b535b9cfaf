"""The reports stored for the golden tests, read from their JSON."""

from __future__ import annotations

import json

from layerlens.report.from_json import report_from_dict
from layerlens.run.report import Report
from tests.unit.tables.paths import REPORTS


def report_of(name: str) -> Report:
    return report_from_dict(json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8")))
