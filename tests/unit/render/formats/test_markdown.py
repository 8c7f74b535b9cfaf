"""Markdown keeps its tables and shows text literally."""

from __future__ import annotations

import re

import pytest

from layerlens.render import RenderOptions, render
from layerlens.render.formats.markdown import escape
from tests.unit.tables.stored_reports import NAMES, report_of


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
    assert not re.search(r"(?<!\\)<(?!br>|/?sub>|/?details>|details open>|/?summary>)", text)
    assert escape("a|b `c`\n# d") == "a\\|b \\`c\\`<br>\\# d"
    assert escape("1. not a list") == "1\\. not a list"


def test_markdown_marks_what_differs():
    assert "(TimeDistributed)<br>≠ dense: dense (Dense) |" in render(report_of("equal"), "markdown")
    assert "≠" not in render(report_of("wide"), "markdown")


def test_names_and_values_in_sentences_are_code():
    text = render(report_of("different"), "markdown")
    assert "Differs: `elu` (ELU) in place of `re_lu` (ReLU)." in text


def test_the_evidence_and_expectations_that_hold_are_folded():
    text = render(report_of("equal"), "markdown")
    table, evidence = text.index("| td (reference) |"), text.index("<summary>Evidence</summary>")
    assert text.index("No effect: ") < evidence < table
    assert re.search(r"<details>\n<summary>\d+ of \d+ expectations hold</summary>", text)
    assert "<details open>" not in text
    assert "<details open>" in render(report_of("different"), "markdown")


def test_quiet_markdown_leaves_out_what_passed():
    text = render(report_of("matrix"), "markdown", RenderOptions(quiet=True))
    assert "units=16" in text
    assert "units=8" not in text
    assert text.startswith("**3 scenarios: 1 pass, 1 fail, 1 error**")
