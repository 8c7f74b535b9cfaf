"""The reports of `tests/golden/reports`, read from their JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from layerlens.render import RenderOptions, render
from layerlens.report.from_json import report_from_dict
from layerlens.report.run import ScenarioReport
from layerlens.run.report import Report
from tests.unit.tables.paths import REPORTS

NAMES = sorted(path.stem for path in REPORTS.glob("*.json"))


def report_of(name: str) -> Report:
    """Return the report of a JSON file, without its suffix."""
    text = (REPORTS / f"{name}.json").read_text(encoding="utf-8")
    return Report.of(report_from_dict(json.loads(text)))


def scenario_of(name: str) -> ScenarioReport:
    """Return the first scenario of a report."""
    return report_of(name).scenarios[0]


def with_scenario(report: Report, scenario: ScenarioReport) -> Report:
    """Return a report with this scenario alone."""
    return replace(report, scenarios=(scenario,))


def terminal(report: Report, width: int = 80, **options: bool) -> str:
    """Return a report as text for a terminal."""
    return render(report, "rich", RenderOptions(width=width, **options))
