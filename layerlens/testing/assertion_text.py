"""Raise AssertionError with the text of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layerlens.render import RenderOptions, render
from layerlens.render.failed_figures import Figure, failed_figures
from layerlens.render.wording import expectation_line
from layerlens.report.run import ExpectationRow, coded, joint_status, status_of
from layerlens.run.report import Report
from layerlens.testing.summary_line import summaries_with_model

_WIDTH = 80


def require_held(
    report: Report, rows: Sequence[Sequence[ExpectationRow]], figure: Figure | None = None
) -> Report:
    """Return the report with the rows of its expectations.

    Args:
        report: the report without expectations.
        rows: the expectations of each scenario.
        figure: the figure that all of them are about, if there is one.

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
        raise failed(report, figures_text(report, figure))
    if status == "unchecked":
        raise AssertionError("nothing was checked: nothing was expected")
    return report


def figures_text(report: Report, figure: Figure | None = None) -> str:
    """Return the expectations that do not hold, and what explains them.

    Args:
        report: the report with its expectations.
        figure: the figure that all of them are about; None shows the layers side by side.
    """
    from layerlens.render.expectation import render_errors

    failures = [
        expectation_line(row)
        for one in report.scenarios
        for row in one.expectations
        if not row.held
    ]
    errors = [coded(error) for one in report.scenarios for error in one.errors]
    if not failures and not errors:
        return ""
    options = RenderOptions(width=_WIDTH, quiet=len(report.scenarios) > 1, verbose=True)
    if figure is None:
        return "\n".join([*(failures + errors)[:1], render(report, "rich", options)])
    parts = [
        render_errors(one, options) if one.errors else failed_figures(one, figure)
        for one in report.scenarios
        if one.status in ("fail", "error")
    ]
    return "\n\n".join(part.strip("\n") for part in parts)


def failed(report: Report, text: str) -> AssertionError:
    """Return the failure of an assertion; pytest's summary shows its model, layer and cause."""
    error = AssertionError(text)
    found = [
        summaries_with_model(one, row)
        for one in report.scenarios
        for row in one.expectations
        if not row.held
    ]
    if found:
        error.layerlens_summaries = found[0]  # type: ignore[attr-defined]
    return error


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
