"""What to do with a scenario, in a form that can be sent to another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from layerlens.errors import LostError, Where
from layerlens.run.faults import at_fault
from layerlens.run.scenario import run_scenario, summarize_scenario
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.pairs import ScriptListener
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import Scenario

Work = Callable[["Scenario"], "ScenarioReport"]


def work_of(kind: Command, options: RunOptions, on_script: ScriptListener | None = None) -> Work:
    """Return what makes a scenario's report."""
    if kind == "summary":
        return partial(summarize_scenario, options=options)
    return partial(run_scenario, options=options, on_script=on_script)


def lost(scenario: Scenario, message: str, hint: str, seconds: float) -> ScenarioReport:
    """Return the report of a scenario whose work was stopped, or ended with its process."""
    error = LostError(message, Where(scenario.path), hint)
    started = time.perf_counter() - seconds
    return at_fault(scenario.path, scenario.title, error, scenario.cell, started)


def timed_out(scenario: Scenario, seconds: float) -> ScenarioReport:
    """Return the report of a scenario that did not come to an end."""
    return lost(
        scenario,
        f"stopped after {seconds:g} s, before it came to an end",
        "allow it longer with `--timeout SECONDS`",
        seconds,
    )
