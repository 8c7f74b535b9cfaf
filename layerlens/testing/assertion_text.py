"""The text of an AssertionError, made from a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerlens.render import RenderOptions, render
from layerlens.render.wording import expectation_line
from layerlens.report.run import ExpectationRow
from layerlens.run.report import Report

_WIDTH = 80


def held(report: Report, rows: Sequence[Sequence[ExpectationRow]]) -> Report:
    """Return the report with its expectations where all hold, and there are any."""
    __tracebackhide__ = True
    scenarios = tuple(
        replace(
            scenario,
            expectations=tuple(found),
            status=scenario.status
            if scenario.status != "pass"
            else "pass"
            if all(row.held for row in found)
            else "fail",
        )
        for scenario, found in zip(report.scenarios, rows, strict=True)
    )
    status = next((one.status for one in scenarios if one.status != "pass"), report.status)
    report = replace(report, scenarios=scenarios, status=status)
    if status != "pass":
        raise AssertionError(figures_text(report))
    if not any(rows):
        raise AssertionError("nothing was checked: nothing was expected\n" + figures_text(report))
    return report


def figures_text(report: Report) -> str:
    """Say what does not hold, and show the layers side by side."""
    told = [
        expectation_line(row)
        for one in report.scenarios
        for row in one.expectations
        if not row.held
    ]
    told += [error.message for one in report.scenarios for error in one.errors]
    several = len(report.scenarios) > 1
    page = render(report, "rich", RenderOptions(width=_WIDTH, quiet=several))
    return "\n".join([*told[:1], *([page] if told else [])])


def verdict_text(report: Report) -> str:
    """Show every pair whose verdict was not the expected one, with what makes it so."""
    from layerlens.render.expectation import render_errors, render_expectation

    parts = []
    for scenario in report.scenarios:
        notes = (
            []
            if scenario.path == "<python>"
            else [f"to see it again: layerlens compare {scenario.path}"]
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
