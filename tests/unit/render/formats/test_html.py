"""The HTML page is complete, escaped and self-contained."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest

from layerlens.render import render
from layerlens.render.formats.html import render_fragment
from layerlens.report.run import to_plain
from tests.unit.tables.stored_reports import NAMES, report_of


class Page(HTMLParser):
    """Collects a page's tags, links and text; notices tags that are not closed in order."""

    VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", NAMES)
def test_html_is_one_sound_page_that_asks_the_network_for_nothing(name):
    page = Page(render(report_of(name), "html"))
    assert page.tags.isdisjoint({"img", "link", "iframe", "object", "base", "form"})
    assert all(link.startswith("#") for link in page.links)


def test_the_page_allows_its_own_script_and_nothing_else():
    text = render(report_of("hostile"), "html")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in html.unescape(policy).split("; "))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"


def test_every_counterexample_is_on_the_page_whole():
    found = report_of("different").scenarios[0].pairs[0].counterexample
    text = html.unescape(render(report_of("different"), "html"))
    assert json.dumps(to_plain(found), ensure_ascii=False) in text


def test_html_shows_text_literally():
    page = Page(render(report_of("hostile"), "html"))
    assert "<script>alert(1)</script> [red]x[/]" in page.text
    assert "<img src=x onerror=alert(1)>" in page.text
    assert "\x1b" not in page.text


def test_html_has_the_verdict_the_counterexample_and_both_colour_schemes():
    text = render(report_of("different"), "html")
    assert 'class="verdict different">different</span>' in text
    assert "expected equivalent" in text
    assert "candidate -0.63212055" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_a_fragment_stands_alone_in_a_notebook():
    fragment = render_fragment(report_of("equal"))
    assert "<html" not in fragment
    assert Page(fragment).tags.isdisjoint({"html", "head", "body", "script", "svg"})
    assert "body" in Page(render(report_of("equal"), "html")).tags


def test_the_page_has_a_column_for_masks_where_there_are_any():
    page = render(report_of("masks"), "html")
    assert page.count("<th>mask</th>") == 3
    assert "yes→no" in page
    assert "<th>mask</th>" not in render(report_of("equal"), "html")


@pytest.mark.parametrize("rendered", [lambda report: render(report, "html"), render_fragment])
def test_the_short_form_comes_first_and_the_rest_is_folded(rendered):
    text = rendered(report_of("three_models"))
    inside = re.compile(r"<details[^>]*>(?:(?!<details).)*?</details>", re.DOTALL)
    unfolded = text
    while inside.search(unfolded):
        unfolded = inside.sub("", unfolded)
    assert '<table class="short">' in unfolded
    assert "≠ last: dense (Dense); output (None, 8)" in unfolded
    for folded in ("<dt>weights</dt>", 'class="sortable layers"', "rounding explains"):
        assert folded in text
        assert folded not in unfolded


def test_a_verdict_that_is_expected_has_the_color_of_a_pass():
    text = render(report_of("build_error"), "html")
    assert '<div class="pair pass">' in text
    assert '<div class="pair build_error">' not in text
