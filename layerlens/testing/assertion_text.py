"""Raise AssertionError with the text of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerlens.render import RenderOptions, render
from layerlens.render.wording import expectation_line
from layerlens.report.run import ExpectationRow, joint_status, status_of
from layerlens.run.report import Report

_WIDTH = 80


def require_held(report: Report, rows: Sequence[Sequence[ExpectationRow]]) -> Report:
    """Return the report with the rows of its expectations.

    Args:
        rows: the expectations of each scenario.

    Raises:
        AssertionError: one does not hold, a scenario has an error, or there are no rows.
    """
    __tracebackhide__ = True
    scenarios = tuple(
        replace(
            scenario,
            expectations=tuple(found),
            status="error" if scenario.status == "error" else status_of(found),
        )
        for scenario, found in zip(report.scenarios, rows, strict=True)
    )
    status = joint_status(one.status for one in scenarios)
    report = replace(report, scenarios=scenarios, status=status)
    if status in ("fail", "error"):
        raise AssertionError(figures_text(report))
    if status == "unchecked":
        raise AssertionError("nothing was checked: nothing was expected\n" + figures_text(report))
    return report


def figures_text(report: Report) -> str:
    """Return the first expectation that does not hold, and the layers side by side."""
    failures = [
        expectation_line(row)
        for one in report.scenarios
        for row in one.expectations
        if not row.held
    ]
    failures += [error.message for one in report.scenarios for error in one.errors]
    several = len(report.scenarios) > 1
    page = render(report, "rich", RenderOptions(width=_WIDTH, quiet=several, verbose=True))
    return "\n".join([*failures[:1], *([page] if failures else [])])


def verdict_text(report: Report) -> str:
    """Return every pair whose verdict is not the expected one, with the evidence."""
    from layerlens.render.expectation import render_errors, render_expectation

    parts = []
    for scenario in report.scenarios:
        notes = (
            []
            if scenario.path == "<python>"
            else [f"to reproduce it: layerlens compare {scenario.path}"]
        )
        options = RenderOptions(width=_WIDTH)
        if scenario.errors:
            parts.append(render_errors(scenario, options, notes=notes))
        parts += [
            render_expectation(scenario, row, options, notes=notes)
            for row in scenario.expectations
            if not row.held
        ]
    return "\n".join(part.rstrip() + "\n" for part in parts).rstrip()
