"""The format `junit`: valid XML whose counts add up."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from layerlens.render import RenderOptions, render
from layerlens.report.run import ErrorRow
from tests.unit.tables.stored_reports import NAMES, report_of


def parsed(report: Any) -> ET.Element:
    return ET.fromstring(render(report, "junit", RenderOptions()))


@pytest.mark.parametrize("name", NAMES)
def test_there_is_a_case_for_each_expectation_and_the_counts_add_up(name: str) -> None:
    report = report_of(name)
    root = parsed(report)
    assert len(root) == len(report.scenarios)
    for suite, scenario in zip(root, report.scenarios, strict=True):
        failures = [row for row in scenario.expectations if not row.held]
        assert len(suite.findall("testcase/failure")) == len(failures)
        assert len(suite.findall("testcase/error")) == len(scenario.errors)
        assert len(suite.findall("testcase/skipped")) == (scenario.status == "unchecked")
        unchecked = int(scenario.status == "unchecked")
        cases = len(scenario.expectations) + len(scenario.errors) + unchecked
        assert int(suite.attrib["tests"]) == len(suite) == cases
    for count in ("tests", "failures", "errors", "skipped"):
        assert int(root.attrib[count]) == sum(int(suite.attrib[count]) for suite in root)
    ids = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(set(ids)) == len(ids)


def test_a_failure_has_its_reason() -> None:
    failure, *_ = parsed(report_of("different")).iter("failure")
    message = "relu==elu[inference]: expected equivalent, received different"
    assert failure.get("message") == message
    assert "difference: " in str(failure.text)


def test_characters_that_xml_lacks_are_replaced() -> None:
    report = report_of("equal")
    error = ErrorRow("bad \x00 \x1b[31m \ud800 <&> \ufffe", "a\x0b.yaml", 1, 1, None)
    scenario = replace(report.scenarios[0], status="error", errors=(error,), title="t\x08")
    report = replace(report, status="error", scenarios=(scenario,))
    (found,) = parsed(report).iter("error")
    assert "<&>" in str(found.text)
    render(report, "junit").encode("utf-8")
