"""Reports rendered as they were when someone last looked: LAYERLENS_GOLDEN=update takes a new look.

tests/golden/reports holds the reports as JSON, the files beside it what they were rendered to.
"""

from __future__ import annotations

import json
import os

import pytest

from layerlens.render import RenderOptions, render
from layerlens.report.from_json import report_from_dict
from layerlens.run.report import Report
from tests.unit.tables.paths import GOLDEN

REPORTS = sorted(path.stem for path in (GOLDEN / "reports").glob("*.json"))

#: What comes behind the report's name → how it is rendered.
WAYS = {
    "60.txt": ("rich", RenderOptions(width=60)),
    "80.txt": ("rich", RenderOptions(width=80)),
    "140.txt": ("rich", RenderOptions(width=140)),
    "verbose.txt": ("rich", RenderOptions(width=100, verbose=True)),
    "md": ("markdown", RenderOptions()),
    "csv": ("csv", RenderOptions()),
}
CASES = [
    *((name, way) for name in REPORTS for way in WAYS),
    ("different", "ansi"),
    ("weak", "ascii.txt"),
    ("matrix", "quiet.txt"),
    ("masks", "explain.txt"),
    ("hostile", "html"),
    ("build_error", "html"),
    *((name, way) for name in ("matrix", "hostile") for way in ("lines", "xml")),
]
SPECIAL = {
    "ansi": ("rich", RenderOptions(colour=True)),
    "ascii.txt": ("rich", RenderOptions(width=60, ascii=True)),
    "quiet.txt": ("rich", RenderOptions(width=60, quiet=True)),
    "explain.txt": ("rich", RenderOptions(explain=True)),
    "html": ("html", RenderOptions()),
    "lines": ("lines", RenderOptions()),
    "xml": ("junit", RenderOptions()),
}


def read_report(name: str) -> Report:
    text = (GOLDEN / "reports" / f"{name}.json").read_text(encoding="utf-8")
    return report_from_dict(json.loads(text))


@pytest.mark.parametrize(("name", "way"), CASES, ids=lambda part: part)
def test_rendered_as_before(name, way):
    rendered = render(read_report(name), *(WAYS | SPECIAL)[way])
    path = GOLDEN / f"{name}.{way}"
    if os.environ.get("LAYERLENS_GOLDEN") == "update":
        path.write_text(rendered, encoding="utf-8")
    assert rendered == path.read_text(encoding="utf-8"), f"see {path.name}"


def test_nothing_golden_is_left_over():
    """A renamed case leaves its old file behind, which nobody compares with any more."""
    found = {path.name for path in GOLDEN.iterdir() if path.is_file()}
    assert found == {f"{name}.{way}" for name, way in CASES}
