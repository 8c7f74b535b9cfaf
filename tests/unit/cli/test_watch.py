"""The command `watch`: the page that is shown after each look."""

from __future__ import annotations

import pytest

from layerlens import cli
from layerlens.cli.watch import _draw
from layerlens.render import RenderOptions
from layerlens.run.watch import Look
from tests.unit.tables.stored_reports import report_of


def test_changed_scenarios_are_shown_with_the_seconds(capsys):
    report = report_of("equal")
    (scenario,) = report.scenarios
    _draw(Look(report, (scenario.path,), 1.5), RenderOptions())
    page = capsys.readouterr().out
    assert "EQUIVALENT" in page
    assert page.endswith(f"{scenario.path} in 1.50 s; watching; press Ctrl-C to stop\n")
    assert "in all" not in page


def test_unchanged_scenarios_that_pass_are_only_counted(capsys):
    _draw(Look(report_of("equal"), (), 0.0), RenderOptions())
    page = capsys.readouterr().out
    assert page == "\ntotal: 1 scenario: 1 pass\nwatching; press Ctrl-C to stop\n"


def test_unchanged_scenarios_that_fail_stay_on_the_page(capsys):
    _draw(Look(report_of("different"), (), 0.0), RenderOptions())
    assert "DIFFERENT" in capsys.readouterr().out


def test_only_three_changed_files_are_named(capsys):
    _draw(Look(report_of("equal"), ("a", "b", "c", "d"), 2.0), RenderOptions())
    assert "a, b, c and more in 2.00 s; " in capsys.readouterr().out


def test_a_folder_without_scenarios_gives_the_reason(capsys):
    _draw(Look(report_of("equal"), (), 0.0, "no scenario in x"), RenderOptions())
    assert "no scenario in x\nwatching" in capsys.readouterr().out


def test_a_path_that_does_not_exist_is_refused(capsys):
    assert cli.run(["watch", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--format", "--output", "--deps"])
def test_options_of_a_single_report_are_not_taken(option, capsys):
    assert cli.run(["watch", option, "x"]) == 2
    assert option in capsys.readouterr().err
