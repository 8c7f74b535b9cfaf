"""The failure texts that pytest shows for an expectation or a scenario that cannot run."""

from __future__ import annotations

import shlex
from typing import Any, NamedTuple

import pytest

from layerlens.models.backend.start import describe_environment
from layerlens.plain.printable import clean, one_line
from layerlens.render import RenderOptions, render
from layerlens.render.expectation import render_errors, render_expectation
from layerlens.render.wording import cell_text
from layerlens.report.run import ExpectationRow, RunRecord, ScenarioReport
from layerlens.testing.settings import CODE, SETTINGS
from layerlens.testing.summary_line import fitting, room_for, summaries
from layerlens.testing.xdist import terminal_of
from layerlens.versions import own_version

#: The scenarios, by path and cell, whose whole report was shown.
_SHOWN_WHOLE = pytest.StashKey[set[tuple[str, str]]]()


class Crash(NamedTuple):
    """The place and message in pytest's short summary, as its `reprcrash`."""

    path: str
    lineno: int
    message: str
    subject: str = ""

    def __str__(self) -> str:
        subject = f"{self.subject}: " if self.subject else ""
        return f"{self.path}:{self.lineno}: {subject}{self.message}"


class FailureText(NamedTuple):
    """The text that pytest shows instead of a traceback; plain where it is written to a file."""

    plain: str
    coloured: str
    reprcrash: Crash

    def __str__(self) -> str:
        return self.plain

    def toterminal(self, writer: Any) -> None:
        writer.write(self.coloured if writer.hasmarkup else self.plain)

    def as_layerlens_data(self) -> list[Any]:
        """Return plain values that pytest-xdist can serialize."""
        return [self.plain, self.coloured, list(self.reprcrash)]

    @classmethod
    def from_layerlens_data(cls, data: list[Any]) -> FailureText:
        plain, coloured, crash = data
        return cls(plain, coloured, Crash(*crash))


class ScenarioFailed(Exception):  # noqa: N818 - the outcome of a test, as pytest's `Failed`
    """End a test; pytest shows `failure_text` instead of a traceback."""

    def __init__(self, failure_text: FailureText) -> None:
        super().__init__(failure_text.reprcrash.message)
        self.failure_text = failure_text


def expectation_failure(
    config: pytest.Config,
    scenario: ScenarioReport,
    row: ExpectationRow,
    line: int,
    reason: str | None = None,
    *,
    node_id: str = "",
) -> ScenarioFailed:
    """Return the failure of an expectation.

    Args:
        config: the configuration of pytest.
        scenario: the report of its scenario.
        row: the expectation.
        line: its line in the file.
        reason: why --layerlens-update left it unchanged.
        node_id: the id of the test, which shares its line of the summary.
    """
    notes = [*([reason] if reason else []), _reproduce(config, scenario)]
    room = room_for(node_id, terminal_of(config).width)
    message = fitting(summaries(scenario, row), room)
    # With -vv the whole report is shown, once for each scenario.
    shown = config.stash.setdefault(_SHOWN_WHOLE, set())
    place = scenario.path, cell_text(scenario.cell)
    whole = config.get_verbosity() >= 2 and place not in shown
    if whole:
        shown.add(place)
    texts = []
    for colour in (False, True):
        options = _options(config, colour=colour)
        text = render_expectation(scenario, row, options, notes=notes, evidence=not whole)
        texts.append(f"{text}\n{_full_report(scenario, options)}" if whole else text)
    crash = Crash(one_line(scenario.path), line, message, one_line(row.subject))
    return ScenarioFailed(FailureText(texts[0], texts[1], crash))


def scenario_error(config: pytest.Config, scenario: ScenarioReport) -> ScenarioFailed:
    """Return the failure of a scenario that could not be run."""
    first = scenario.errors[0]
    notes = [_reproduce(config, scenario)]
    if any("--allow-code" in (error.hint or "") for error in scenario.errors):
        notes.insert(0, f"under pytest, set `{CODE} = true` in its configuration to allow it")
    texts = [
        render_errors(scenario, _options(config, colour=colour), notes=notes)
        for colour in (False, True)
    ]
    message = clean(first.message).split("\n", 1)[0]
    crash = Crash(one_line(first.file or scenario.path), first.line or 1, message)
    return ScenarioFailed(FailureText(texts[0], texts[1], crash))


def _options(config: pytest.Config, *, colour: bool) -> RenderOptions:
    terminal = terminal_of(config)
    verbosity = config.get_verbosity()
    quiet = verbosity < -1 or config.getoption("tbstyle", "auto") in ("short", "line")
    return RenderOptions(
        width=max(terminal.width, 40),
        colour=colour,
        verbose=verbosity > 0,
        quiet=quiet,
        ascii=terminal.ascii,
    )


def _full_report(scenario: ScenarioReport, options: RenderOptions) -> str:
    report = RunRecord(own_version(), describe_environment(), scenario.status, (scenario,))
    return render(report, "rich", options)


def _reproduce(config: pytest.Config, scenario: ScenarioReport) -> str:
    """Return a note with the command that reproduces the failure without pytest."""
    settings = config.stash[SETTINGS]
    words = ["layerlens", "compare", scenario.path]
    words += ["--seed", str(settings.seed)] if settings.seed else []
    words += ["--allow-code"] if settings.allow_code else []
    words += ["--strict"] if settings.strict else []
    aside = ""
    if settings.tolerance is not None:
        rtol, atol = settings.tolerance
        aside = f" (here the tolerance is rtol {rtol:g}, atol {atol:g}, from layerlens_tolerance)"
    return f"reproduce it: {shlex.join(words)}{aside}"
