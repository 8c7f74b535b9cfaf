"""The function that turns a scenario into its report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from layerlens.run.known import Tell
from layerlens.run.scenario import run_scenario, summarize_scenario
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.pairs import ScriptListener
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import Scenario


class Work(Protocol):
    """Runs a scenario, and tells what becomes known meanwhile."""

    def __call__(self, scenario: Scenario, *, tell: Tell) -> ScenarioReport: ...


def work_of(kind: Command, options: RunOptions, on_script: ScriptListener | None = None) -> Work:
    """Return the function that runs or summarizes a scenario."""
    if kind == "summary":
        return partial(summarize_scenario, options=options)
    return partial(run_scenario, options=options, on_script=on_script)
