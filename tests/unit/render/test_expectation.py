"""One failed expectation in a terminal."""

from __future__ import annotations

from dataclasses import replace

from layerlens.render.expectation import render_errors, render_expectation
from layerlens.render.options import RenderOptions
from layerlens.report.run import ErrorRow, ExpectationRow
from tests.unit.tables.stored_reports import scenario_of

OPTIONS = RenderOptions(width=100)


def test_a_verdict_shows_its_pair_and_no_tables() -> None:
    scenario = scenario_of("different")
    row = next(row for row in scenario.expectations if not row.held)
    text = render_expectation(scenario, row, OPTIONS, notes=("a note",))
    assert text.startswith("✘ relu==elu[inference]: expected equivalent, received different\n")
    assert "DIFFERENT" in text
    assert "params" not in text
    assert text.endswith("\n\na note\n")


def test_params_show_the_layers_side_by_side() -> None:
    scenario = scenario_of("equal")
    row = ExpectationRow("td.params", 1, 1791, False)
    text = render_expectation(scenario, row, OPTIONS)
    assert "td (reference)" in text
    assert "│" in text
    quiet = render_expectation(scenario, row, replace(OPTIONS, quiet=True))
    assert "│" not in quiet


def test_errors_are_shown_with_their_hints() -> None:
    error = ErrorRow("wrong", "a.yaml", 3, 7, "mend it")
    scenario = replace(scenario_of("equal"), errors=(error,))
    assert render_errors(scenario, OPTIONS) == "✘ a.yaml:3:7: wrong\n  hint: mend it\n"
