"""The format `junit`: JUnit XML, with a test suite per scenario and a test case per expectation.

An expectation that does not hold is a failure, a fault of the scenario an error. A scenario that
expects nothing is a skipped test case, so that no tool counts it as passed.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from layerlens.plain.printable import escaped_xml
from layerlens.render import wording
from layerlens.render.case_names import case_name, unique_name
from layerlens.render.options import RenderOptions
from layerlens.render.reasons import failure_text, fault_text
from layerlens.report.run import ErrorRow, RunRecord, ScenarioReport, coded

#: Characters that XML 1.0 does not allow, even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return the whole report as one XML document."""
    root = ET.Element("testsuites", name="layerlens")
    taken: set[str] = set()
    for scenario in report.scenarios:
        root.append(_suite(scenario, taken))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, 0)) for suite in root)))
    root.set("time", _seconds(sum(scenario.seconds for scenario in report.scenarios)))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{escaped_xml(text)}\n'


def _suite(scenario: ScenarioReport, taken: set[str]) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(wording.full_title(scenario)))
    for error in scenario.errors:
        _add_error(suite, scenario, error, taken)
    for row in scenario.expectations:
        case = _case(suite, scenario, row.subject, taken)
        if row.line is not None:
            case.set("line", str(row.line))
        if not row.held:
            message = _text(wording.expectation_line(row))
            failure = ET.SubElement(case, "failure", message=message, type="expectation")
            failure.text = _text(failure_text(scenario, row))
    if scenario.status == "unchecked":
        case = _case(suite, scenario, "expectations", taken)
        ET.SubElement(case, "skipped", message=wording.status_words(scenario))
    suite.set("tests", str(len(suite)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", _seconds(scenario.seconds))
    return suite


def _add_error(
    suite: ET.Element, scenario: ScenarioReport, error: ErrorRow, taken: set[str]
) -> None:
    case = _case(suite, scenario, "scenario", taken)
    if error.line is not None:
        case.set("line", str(error.line))
    place = wording.location(error)
    message = _text(wording.one_line(coded(error)))
    found = ET.SubElement(case, "error", message=message, type="fault")
    found.text = _text(f"{place}: {fault_text(error)}" if place else fault_text(error))


def _case(suite: ET.Element, scenario: ScenarioReport, subject: str, taken: set[str]) -> ET.Element:
    path = _text(scenario.path)
    unique = unique_name(taken, f"{path}::{case_name(subject, scenario.cell)}")
    name = _text(unique.removeprefix(f"{path}::"))
    return ET.SubElement(suite, "testcase", classname=path, name=name, file=path)


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", wording.visible(text))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
