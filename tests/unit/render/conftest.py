"""The report with step maps, for tests of pictures."""

from __future__ import annotations

import pytest

from layerlens.report.run import ScenarioReport
from layerlens.run.report import Report
from tests.unit.tables.stored_reports import report_of


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of("steps")


@pytest.fixture(scope="module")
def scenario(report: Report) -> ScenarioReport:
    return report.scenarios[0]
