"""The terminal report: nothing cut, nothing too wide, literal, and what differs is marked."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from layerlens.render import RenderOptions, render
from tests.unit.tables.stored_reports import (
    NAMES,
    report_of,
    scenario_of,
    terminal,
    with_scenario,
)

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 61, 67, 72, 80, 93, 100, 121, 140, 200])
def test_no_line_is_wider_than_asked(name, width):
    for verbose in (False, True):
        text = terminal(report_of(name), width, verbose=verbose)
        assert [line for line in text.splitlines() if cell_len(line) > width] == []


def test_some_line_uses_the_width():
    widest = max(cell_len(line) for line in terminal(report_of("equal"), 100).splitlines())
    assert widest == 100


def test_the_verdict_with_its_reason():
    text = terminal(report_of("equal"))
    verdict = "✔ dense against td: EQUIVALENT, certified, as expected\n"
    differs = "  No effect: `dense` (Dense) in place of `time_distributed` (TimeDistributed).\n"
    assert f"{verdict}{differs}  The segment" in text
    assert text.index(verdict) < text.index("output shape"), "the answer comes before the table"
    different = terminal(report_of("different"), 100, verbose=True)
    assert "✘ elu against relu, inference: DIFFERENT, expected equivalent" in different
    assert "✘ relu==elu[inference]: expected equivalent, received different" in different
    assert "first difference at output index (0, 0)" in different
    assert "reference 0\n" in different
    assert "candidate -0.63212055" in different
    assert "input (1, 4) = [[-1, 0, 0, 0]]" in different
    assert "also differs    gradients, non_finite" in different


def test_without_an_expectation_a_pass_is_not_claimed():
    text = terminal(report_of("weak"))
    assert "· unchecked (nothing expected) ·" in text
    assert "pass" not in text.replace("passed on", "")
    assert "✔" not in text


def test_the_tally_counts_what_is_unchecked_apart():
    one, other = report_of("weak"), report_of("equal")
    both = replace(one, scenarios=(*one.scenarios, *other.scenarios))
    assert "2 scenarios: 1 pass, 1 unchecked\n" in terminal(both)
    assert terminal(one, quiet=True) == "1 scenario: 1 unchecked\n"
    assert render(one, "markdown", RenderOptions(quiet=True)) == "**1 scenario: 1 unchecked**\n"
    assert render(one, "github") == "1 scenario: 1 unchecked\n"
    assert ",unchecked," in render(one, "csv")


def test_only_what_is_not_expected_is_red():
    (scenario,) = report_of("different").scenarios
    rows = tuple(replace(row, expected=row.actual, held=True) for row in scenario.expectations)
    expected = replace(scenario, status="pass", expectations=rows)
    report = replace(report_of("different"), status="pass", scenarios=(expected,))
    red = re.compile(r"\x1b\[(?:1;)?31m")
    assert "DIFFERENT" in render(report, "rich", RenderOptions(colour=True))
    assert not red.search(render(report, "rich", RenderOptions(colour=True)))
    assert red.search(render(report_of("different"), "rich", RenderOptions(colour=True)))
    assert 'class="verdict pass">different' in render(report, "html")


def test_a_refused_model_has_its_reason_and_its_remedy():
    text = terminal(report_of("build_error"), 140)
    assert "✘ last_only: refused by Keras at time_distributed" in text
    reason = "  Keras refuses last_only at time_distributed:\n  TimeDistributed needs"
    assert f"✔ last_only against td: BUILD ERROR, as expected\n{reason}" in text
    assert text.count("hint: `lstm_1` returns only its last step, shape (None, 128); set") == 1


def test_a_refused_model_that_is_only_summarised():
    scenario = replace(scenario_of("build_error"), pairs=(), expectations=())
    text = terminal(with_scenario(report_of("build_error"), scenario), 140)
    assert "✘ Keras refuses last_only at time_distributed:\n  TimeDistributed needs" in text
    assert text.count("hint: ") == 1


def test_a_scenario_at_fault():
    text = terminal(report_of("matrix"), 100)
    assert "✘ scenarios/typo.yaml:4:9: unknown layer `Dens`\n  hint: did you mean `Dense`?" in text


def test_the_tally_of_several():
    assert "3 scenarios: 1 pass, 1 fail, 1 error\n" in terminal(report_of("matrix"))
    assert "1 scenario" not in terminal(report_of("equal"))


def test_quiet_shows_what_failed_and_the_tally():
    text = terminal(report_of("matrix"), quiet=True)
    assert "units=16" in text
    assert "units=8" not in text
    assert text.endswith("\n3 scenarios: 1 pass, 1 fail, 1 error\n")
    assert terminal(report_of("equal"), quiet=True) == "1 scenario: 1 pass\n"


def test_hostile_text_is_shown_literally():
    text = terminal(report_of("hostile"), 100)
    assert "<script>alert(1)</script> [red]x[/] | `tick` *b* # second \\x1b[31m" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]" in text


def test_colour_only_where_asked_for_and_never_alone():
    plain = terminal(report_of("different"))
    coloured = render(report_of("different"), "rich", RenderOptions(colour=True))
    assert not ESCAPE.search(plain)
    assert ESCAPE.search(coloured)
    assert ESCAPE.sub("", coloured) == plain


def test_ascii_where_nothing_else_can_be_shown():
    assert not terminal(report_of("equal")).isascii()
    assert terminal(report_of("equal"), ascii=True).isascii()


def test_training_and_why_it_was_refused():
    text = terminal(report_of("three_models"), 120)
    assert "dense: loss 2.70805 → 2.64115 → 2.59807; trains alike, losses differ by 2.4e-07" in text
    assert "✘ Keras refuses to train last:\n  The target has shape (64, 8)" in text
