"""Drawings as SVG: ids, colours and text."""

from __future__ import annotations

import re
from dataclasses import replace

from layerlens.render.picture_file import picture_file
from layerlens.render.pictures import pictures_of
from layerlens.render.pictures.drawing.figures import inline_svgs
from layerlens.report.run import ScenarioReport
from layerlens.run.report import Report
from tests.unit.tables.drawings import drawn
from tests.unit.tables.stored_reports import report_of


def changed(scenario: ScenarioReport, model: int, **fields: object) -> ScenarioReport:
    models = list(scenario.models)
    models[model] = replace(models[model], **fields)
    return replace(scenario, models=tuple(models))


def test_on_a_page_every_id_is_there_once(report: Report) -> None:
    page = picture_file(report, ".html", "steps.yaml").decode()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:url\(#|href="#)([^")]+)', page):
        assert reference in ids


def test_a_picture_takes_the_colours_of_the_page(scenario: ScenarioReport) -> None:
    svg = "".join(inline_svgs(pictures_of(scenario)))
    assert "var(--accent)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", re.sub(r"base64,[^\"]*|#[mp][0-9a-f]{10}", "", svg))


def test_names_are_text_and_never_formulas_or_markup(scenario: ScenarioReport) -> None:
    name = "$\\frac{<script>}$ 日本語 \x1b[31m"
    hostile = changed(scenario, 0, layers=(), name=name, steps=scenario.models[0].steps)
    svg = drawn(pictures_of(hostile)[0])
    assert "<script>" not in svg
    assert "$\\frac{&lt;script&gt;}$" in svg
    assert "日本語" in svg
    assert "\x1b" not in svg
    assert picture_file(Report("0", report_of("equal").environment, "pass", (hostile,)), ".png", "")
