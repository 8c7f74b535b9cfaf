"""The reasons for an expectation that does not hold."""

from __future__ import annotations

from layerlens.render.reasons import failure_text, fault_text
from layerlens.report.run import ErrorRow
from tests.unit.tables.stored_reports import report_of


def test_a_failed_verdict_has_its_evidence() -> None:
    (scenario,) = report_of("different").scenarios
    row = next(row for row in scenario.expectations if not row.held)
    first, *rest = failure_text(scenario, row).split("\n")
    assert first == "relu==elu[inference]: expected equivalent, received different"
    assert any(line.startswith("difference: ") for line in rest)


def test_a_fault_has_its_hint() -> None:
    row = ErrorRow("unknown key `x`", "a.yaml", 1, 1, "did you mean `y`?")
    assert fault_text(row) == "unknown key `x`\nhint: did you mean `y`?"
