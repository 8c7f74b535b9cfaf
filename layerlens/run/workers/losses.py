"""Reports of scenarios that were stopped, or whose process died."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from layerlens.byte_size import readable
from layerlens.errors import LostError, Where
from layerlens.run.faults import fault_report
from layerlens.run.known import Known

if TYPE_CHECKING:
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.spec import Scenario

#: SIGKILL, which Windows does not have.
_KILLED = 9
_OF_MEMORY = (
    "the system kills processes when memory runs out: `--max-memory` shows how much each "
    "scenario uses, and fewer `--jobs` need less at once"
)
_OF_A_KERNEL = (
    "a TensorFlow kernel can crash on sizes that it does not support and Keras does not check: "
    "`layerlens summary` shows the models without running them"
)


def lost(scenario: Scenario, message: str, hint: str, seconds: float) -> ScenarioReport:
    """Return the report of a scenario that was lost after `seconds` of work."""
    error = LostError(message, Where(scenario.path), hint)
    started = time.perf_counter() - seconds
    return fault_report(scenario.path, scenario.title, error, scenario.cell, started)


def timed_out(scenario: Scenario, seconds: float, known: Known) -> ScenarioReport:
    """Return the report of a scenario that was stopped at its time limit, in seconds."""
    stopped = f"stopped after {seconds:g} s"
    report = lost(
        scenario,
        f"{stopped}, before it finished",
        "allow more time with `--timeout SECONDS`",
        seconds,
    )
    return known.add_to(report, scenario, stopped)


def out_of_memory(
    scenario: Scenario, taken: int, allowed: int, base: int, seconds: float, known: Known
) -> ScenarioReport:
    """Return the report of a scenario that was stopped at its memory limit; sizes in bytes.

    `base` is what the process took before the scenario started.
    """
    stopped = f"stopped at {readable(taken)} of memory"
    report = lost(
        scenario,
        f"{stopped}; the limit is {readable(allowed)}",
        f"allow more with `--max-memory`; {readable(base)} are used before anything is built",
        seconds,
    )
    return known.add_to(report, scenario, stopped)


def died(scenario: Scenario, status: int | None, seconds: float, known: Known) -> ScenarioReport:
    """Return the report of a scenario whose process ended with an exit status."""
    report = lost(
        scenario,
        f"the process that ran this scenario died ({cause(status)})",
        _OF_MEMORY if status == -_KILLED else _OF_A_KERNEL,
        seconds,
    )
    return known.add_to(report, scenario, f"the process died ({cause(status)})")


def not_started(scenario: Scenario, attempts: int, last_cause: str) -> ScenarioReport:
    """Return the report of a scenario for which no process could be started."""
    return lost(
        scenario,
        "no process to run this scenario could be started: "
        f"{attempts} in a row failed (the last: {last_cause})",
        "check that `python -c 'import tensorflow, keras'` works and that enough memory is free; "
        "without `--jobs` and `--max-memory` no other process is needed",
        0.0,
    )


def cause(status: int | None) -> str:
    """Return why a process ended: the name of its signal, or its exit status."""
    if status is None or status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
