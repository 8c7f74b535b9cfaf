"""The function that turns a scenario into its report."""

from __future__ import annotations

from layerlens.run.scenario import run_scenario, summarize_scenario
from layerlens.run.workers.tasks import work_of
from layerlens.scenario.options import RunOptions


def test_the_command_chooses_the_function() -> None:
    options = RunOptions(seed=3)
    assert work_of("summary", options).func is summarize_scenario  # type: ignore[attr-defined]
    compare = work_of("compare", options)
    assert compare.func is run_scenario  # type: ignore[attr-defined]
    assert compare.keywords["options"] is options  # type: ignore[attr-defined]
