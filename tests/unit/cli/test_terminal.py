"""The width, colour and characters of the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from layerlens import cli
from tests.unit.cli.stored_reports import report_of
from tests.unit.tables.paths import REPORTS


def process(*arguments: str, code: str | None = None, **options) -> subprocess.CompletedProcess:
    start = ["-c", code] if code else ["-m", "layerlens"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


@pytest.mark.parametrize(("encoding", "box"), [("utf-8", True), ("ascii", False)])
def test_box_characters_are_used_only_if_the_encoding_has_them(encoding, box):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = process("render", str(REPORTS / "equal.json"), env=environment)
    assert ("│" in done.stdout) == box
    assert done.stdout.isascii() != box
    assert done.returncode == 0


def test_the_report_has_the_width_of_the_terminal(fake_run, capsys, monkeypatch):
    fake_run(replace(report_of("equal")))
    widths = []
    for columns in ("60", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        cli.run(["compare", "x"])
        widths.append(max(map(len, capsys.readouterr().out.splitlines())))
    assert widths == [60, 120]
