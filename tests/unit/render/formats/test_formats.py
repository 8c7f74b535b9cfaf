"""JSON, Markdown, CSV and HTML: the same report, strict, escaped and complete."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from layerlens.render import FORMATS, RenderOptions, render
from layerlens.render.formats.html import render_fragment
from layerlens.render.formats.markdown import escape
from layerlens.report.from_json import report_from_dict
from layerlens.report.rows import COLUMNS
from layerlens.report.run import Environment, to_plain
from layerlens.run.report import Report
from tests.unit.tables.paths import REPORTS

FOLDER = REPORTS
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def report_of(name: str) -> Report:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    return Report.of(report_from_dict(json.loads(text)))


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


def test_json_is_strict_and_in_the_order_of_the_schema():
    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = render(report_of("different"), "json")
    data = json.loads(text, parse_constant=refuse)
    assert list(data) == ["schema", "layerlens", "environment", "status", "scenarios"]
    pair = data["scenarios"][0]["pairs"][0]
    assert pair["max_rel"] == "inf"
    probe = {"name": "NaN", "execution": "eager", "max_abs": "nan", "max_rel": None}
    assert probe.items() <= pair["probes"][-1].items(), "fields may be added"
    assert list(data["scenarios"][0]["models"]) == ["relu", "elu"]
    assert "日本語" in render(report_of("wide"), "json")


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


def cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line)


@pytest.mark.parametrize("name", NAMES)
def test_markdown_tables_keep_their_columns(name):
    text = render(report_of(name), "markdown")
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({len(cells(line)) for line in table.splitlines()}) == 1
    assert tables or name == "wide"


def test_markdown_shows_text_literally():
    text = render(report_of("hostile"), "markdown")
    assert "\\<script\\>alert(1)\\</script\\>" in text
    assert not re.search(r"(?<!\\)<(?!br>|sub>|/sub>)", text)
    assert escape("a|b `c`\n# d") == "a\\|b \\`c\\`<br>\\# d"
    assert escape("1. not a list") == "1\\. not a list"


def test_markdown_marks_what_differs():
    assert "| ≠ **dense** (Dense)" in render(report_of("equal"), "markdown")
    assert "≠" not in render(report_of("wide"), "markdown")


def test_quiet_markdown_leaves_out_what_passed():
    text = render(report_of("matrix"), "markdown", RenderOptions(quiet=True))
    assert "units=16" in text
    assert "units=8" not in text
    assert text.startswith("**3 scenarios: 1 pass, 1 fail, 1 error**")


def test_csv_of_a_comparison_has_one_row_per_pair():
    rows = list(csv.DictReader(io.StringIO(render(report_of("different"), "csv"))))
    assert list(rows[0]) == list(COLUMNS["pairs"])
    assert [(row["mode"], row["verdict"], row["held"]) for row in rows] == [
        ("inference", "different", "false"),
        ("training", "inconclusive", "false"),
    ]
    assert rows[0]["max_rel"] == "inf"
    assert rows[1]["max_abs"] == "", "not measured is empty, never 0"
    assert rows[0]["also_differs"] == "gradients; non_finite"


def test_csv_of_a_summary_has_one_row_per_layer():
    rows = list(csv.DictReader(io.StringIO(render(report_of("summary"), "csv"))))
    assert [row["depth"] for row in rows] == ["0", "0", "1", "1", "0", "0", "0"]
    assert rows[1]["params"] == "38655098880"


def test_csv_tells_a_scenario_at_fault():
    rows = list(csv.DictReader(io.StringIO(render(report_of("matrix"), "csv"))))
    assert rows[-1]["status"] == "error"
    assert rows[-1]["error"].startswith("unknown layer `Dens`; ")
    assert json.loads(rows[0]["cell"]) == {"units": 8, "seq": True}


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


@pytest.mark.parametrize("name", NAMES)
def test_json_is_what_json_makes_of_the_plain_data(name):
    report = report_of(name)
    plain = json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    if name == "hostile":  # what is hidden in its texts is escaped, and read back as it was
        assert report.to_json().replace("\\u202e", "\u202e") == plain + "\n"
        assert json.loads(report.to_json()) == json.loads(plain)
    else:
        assert report.to_json() == plain + "\n"
    empty = replace(report, scenarios=())
    assert empty.to_json() == json.dumps(empty.to_dict(), indent=2, ensure_ascii=False) + "\n"


def test_the_page_has_a_column_for_masks_where_there_are_any():
    page = render(report_of("masks"), "html")
    assert page.count("<th>mask</th>") == 3
    assert "yes→no" in page
    assert "<th>mask</th>" not in render(report_of("equal"), "html")
