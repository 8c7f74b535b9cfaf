"""The texts of failing assertions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerlens.report.run import ExpectationRow
from layerlens.run.report import Report
from layerlens.testing.assertion_text import figures_text, require_held, verdict_text
from tests.unit.tables.stored_reports import report_of

HELD = ExpectationRow("one.params", 15, 15, held=True)
FAILED = ExpectationRow("one.params", 16, 15, held=False)


def passed() -> Report:
    report = report_of("summary")
    assert report.status == "unchecked"
    return report


def test_a_report_with_expectations_that_hold_is_returned_with_them() -> None:
    report = passed()
    rows = [[HELD] for _ in report.scenarios]
    checked = require_held(report, rows)
    assert checked.status == "pass"
    assert [one.expectations for one in checked.scenarios] == [(HELD,) for _ in rows]


def test_an_expectation_that_does_not_hold_is_the_first_line() -> None:
    report = passed()
    with pytest.raises(AssertionError) as failed:
        require_held(report, [[HELD, FAILED] for _ in report.scenarios])
    first, *rest = str(failed.value).splitlines()
    assert first == "one.params: expected 16, received 15"
    assert any("layer (type)" in line for line in rest)


def test_without_expectations_nothing_passes() -> None:
    report = passed()
    with pytest.raises(AssertionError, match="nothing was checked: nothing was expected"):
        require_held(report, [[] for _ in report.scenarios])


def test_an_error_of_a_scenario_fails_whatever_holds() -> None:
    report = report_of("matrix")
    with pytest.raises(AssertionError):
        require_held(report, [[HELD] for _ in report.scenarios])


def test_a_report_that_holds_has_no_text() -> None:
    assert figures_text(passed()) == ""


def test_a_wrong_verdict_is_shown_with_the_command_to_repeat_it() -> None:
    report = report_of("different")
    text = verdict_text(report)
    assert "expected equivalent" in text
    (scenario,) = report.scenarios
    assert f"to reproduce it: layerlens compare {scenario.path}" in text
    python = replace(report, scenarios=(replace(scenario, path="<python>"),))
    assert "to reproduce it" not in verdict_text(python)
