"""Pictures as files and as text."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from layerlens.errors import UsageError
from layerlens.render.options import RenderOptions
from layerlens.render.picture_file import picture_file, picture_text
from layerlens.run.report import Report
from tests.unit.tables.paths import REPORTS
from tests.unit.tables.stored_reports import report_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html"])
def test_a_file_is_the_same_each_time_and_tells_no_date(report: Report, suffix: str) -> None:
    first, again = (picture_file(report, suffix, "steps.yaml") for _ in range(2))
    assert first == again
    assert not re.search(rb"<dc:|<rdf:|Software|20[2-9]\d-\d\d-\d\d", first)


def test_the_svg_file_is_sound_and_holds_every_picture(report: Report) -> None:
    tree = ElementTree.fromstring(picture_file(report, ".svg", "steps.yaml"))
    texts = {text.text for text in tree.iter(f"{SVG}text")}
    assert {"Which step sees which", "forwards, unrolled over time", "loss while training"} <= texts


def test_nothing_to_draw_is_said(report: Report) -> None:
    with pytest.raises(UsageError, match=r"x\.yaml: there is nothing to draw: no model has steps"):
        picture_file(report_of("equal"), ".svg", "x.yaml")


def test_many_scenarios_go_on_a_page_and_not_on_a_sheet(report: Report) -> None:
    many = replace(report, scenarios=report.scenarios * 9)
    with pytest.raises(UsageError, match="9 scenarios have pictures") as told:
        picture_file(many, ".svg", "folder")
    assert ".html" in told.value.hint


def test_small_maps_in_a_terminal(report: Report) -> None:
    plain = picture_text(report, RenderOptions())
    assert "forwards, wrapped: causal," in plain
    assert "   1  ●  ●  ·  ·" in plain
    assert "Shortened: of 16 steps" in plain
    assert max(map(len, plain.splitlines())) <= 80
    ascii_only = picture_text(report, RenderOptions(ascii=True))
    assert ascii_only.isascii()
    assert "   1  #  #  -  -" in ascii_only
    assert "\x1b[" in picture_text(report, RenderOptions(colour=True))
    assert "No map of steps was measured" in picture_text(report_of("equal"), RenderOptions())


def test_rendering_loads_what_draws_only_where_there_is_something_to_draw() -> None:
    code = (
        "import sys, json\n"
        "from layerlens.report.from_json import read_report\n"
        "from layerlens.render import render\n"
        f"render(read_report({str(REPORTS / 'equal.json')!r}), 'html')\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"render(read_report({str(REPORTS / 'steps.json')!r}), 'html')\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
        "assert not {'keras', 'tensorflow', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
