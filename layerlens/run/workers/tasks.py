"""The function that turns a scenario into its report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from layerlens.run.known import Tell
from layerlens.run.scenario import run_scenario, summarize_scenario
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.pairs import ScriptListener
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import Scenario

#: Runs a scenario, and tells what becomes known meanwhile.
Work = Callable[["Scenario", Tell], "ScenarioReport"]


def work_of(kind: Command, options: RunOptions, on_script: ScriptListener | None = None) -> Work:
    """Return the function that runs or summarizes a scenario."""
    if kind == "summary":
        return lambda scenario, tell: summarize_scenario(scenario, options, tell)
    return lambda scenario, tell: run_scenario(scenario, options, on_script, tell)
