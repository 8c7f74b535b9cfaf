"""JSON, Markdown, CSV and HTML: the same report, strict, escaped and complete."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from layerlens.render import FORMATS, render
from layerlens.report.run import Environment
from tests.unit.tables.stored_reports import NAMES, report_of


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_ends_in_one_newline(name, format_):
    text = render(report_of(name), format_)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_an_unknown_format():
    with pytest.raises(ValueError, match="unknown format 'yaml': one of rich, json, markdown"):
        render(report_of("equal"), "yaml")  # type: ignore[arg-type]


def test_a_report_without_scenarios():
    empty = replace(report_of("equal"), scenarios=())
    for format_ in FORMATS:
        assert render(empty, format_)


ENVIRONMENT = {
    "python": "3.99.1",
    "keras": "3.98.2",
    "backend": "abacus",
    "backend_version": "2.97.3",
    "platform": "Antikythera-1.0",
}


def test_what_a_report_was_made_with_is_in_every_format_that_has_room_for_it():
    report = replace(report_of("equal"), environment=Environment(**ENVIRONMENT))
    data = json.loads(render(report, "json"))
    assert data["environment"] == ENVIRONMENT
    assert data["layerlens"] == report.layerlens
    for format_ in ("markdown", "html", "rich"):
        text = render(report, format_)
        for name in ENVIRONMENT:
            # On a terminal the platform is that of who reads it.
            assert (ENVIRONMENT[name] in text) is (format_ != "rich" or name != "platform"), name
        assert report.layerlens in text
    without = replace(report, environment=replace(report.environment, keras=None, backend=None))
    for format_ in ("markdown", "rich"):  # of one made where Keras is not installed
        assert "None" not in render(without, format_).splitlines()[-1]
