"""The width, colour and characters of the terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from layerlens import cli
from layerlens.cli.terminal import columns, fit_terminal, show_progress, wants_colour
from layerlens.render import RenderOptions
from tests.unit.tables.paths import REPORTS
from tests.unit.tables.stored_reports import report_of


@pytest.mark.parametrize(("encoding", "box"), [("utf-8", True), ("ascii", False)])
def test_box_characters_are_used_only_if_the_encoding_has_them(encoding, box):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "layerlens", "render", str(REPORTS / "equal.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert ("─" in done.stdout) == box
    assert done.stdout.isascii() != box
    assert done.returncode == 0


def test_the_report_has_the_width_of_the_terminal(fake_run, capsys, monkeypatch):
    fake_run(report_of("equal"))
    widths = []
    for width in ("60", "120"):
        monkeypatch.setenv("COLUMNS", width)
        cli.run(["compare", "x"])
        widths.append(max(map(len, capsys.readouterr().out.splitlines())))
    assert widths == [60, 120]


def test_a_narrow_terminal_has_forty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert columns() == 40


@pytest.mark.parametrize(
    ("terminal", "no_colour", "kind", "expected"),
    [
        (True, "", "xterm", True),
        (False, "", "xterm", False),
        (True, "1", "xterm", False),
        (True, "", "dumb", False),
    ],
)
def test_colour_needs_a_terminal_that_has_it(terminal, no_colour, kind, expected, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", kind)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert wants_colour() is expected
    assert fit_terminal(RenderOptions(quiet=True)).colour is expected


@pytest.mark.parametrize(
    ("option", "no_color", "force_color", "expected"),
    [
        ("always", "1", "", True),
        ("never", "", "1", False),
        ("auto", "1", "1", False),
        ("auto", "", "1", True),
        ("auto", "", "0", False),
        ("auto", "", "", False),
    ],
)
def test_the_option_comes_before_the_variables(
    option, no_color, force_color, expected, monkeypatch
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("FORCE_COLOR", force_color)
    assert wants_colour(option) is expected
    assert fit_terminal(RenderOptions(), option).colour is expected


def test_a_report_has_colors_if_asked(fake_run, capsys, tmp_path):
    fake_run(report_of("equal"))
    cli.run(["compare", "x", "--color", "always"])
    assert "\x1b[" in capsys.readouterr().out
    cli.run(["compare", "x", "--color", "always", "-o", str(tmp_path / "report.txt")])
    assert "\x1b[" in (tmp_path / "report.txt").read_text()
    cli.run(["compare", "x", "-o", str(tmp_path / "report.txt")])
    assert "\x1b[" not in (tmp_path / "report.txt").read_text()


def test_the_choices_of_the_user_are_kept():
    assert fit_terminal(RenderOptions(verbose=True, explain=True)).verbose
    assert not fit_terminal(RenderOptions()).verbose


@pytest.mark.parametrize(
    ("quiet", "terminal", "shown"),
    [(False, True, True), (True, True, False), (False, False, False)],
)
def test_progress_is_shown_on_a_terminal_only(quiet, terminal, shown, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with show_progress(quiet=quiet) as listener:
        assert (listener is not None) is shown
