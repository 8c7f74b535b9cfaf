"""The methods of a report that render it."""

from __future__ import annotations

import io
import json

from rich.console import Console

from layerlens.render import render
from layerlens.run.report import Report
from tests.unit.tables.stored_reports import report_of


def test_a_report_renders_itself_in_every_form() -> None:
    report = report_of("equal")
    assert report.to_json() == render(report, "json")
    assert report.to_markdown() == render(report, "markdown")
    assert report.to_html() == render(report, "html")
    assert str(report) == render(report, "rich").rstrip()
    assert json.loads(report.to_json()) == report.to_dict()


def test_its_short_form_has_the_verdicts() -> None:
    assert repr(report_of("equal")) == ("<Report: pass, scenarios: 1, verdicts: ['equivalent']>")


def test_rich_and_notebooks_show_it() -> None:
    report = report_of("equal")
    page = io.StringIO()
    Console(file=page, width=100).print(report)
    assert "dense against td: EQUIVALENT" in page.getvalue()
    assert "<style>" in report._repr_html_()


def test_a_report_as_a_frame_has_a_row_per_pair() -> None:
    frame = report_of("equal").to_dataframe()
    assert list(frame["verdict"]) == ["equivalent"]


def test_a_record_becomes_a_report() -> None:
    report = report_of("equal")
    assert isinstance(report, Report)
    assert Report.of(report) == report
