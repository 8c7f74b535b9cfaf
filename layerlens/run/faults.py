"""Report a scenario that could not be run: its own faults, what ran out, a fault of layerlens."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path
from typing import Any

from layerlens.errors import Fault, LayerlensError
from layerlens.models.backend.exhaustion import exhausted
from layerlens.report.run import ErrorRow, ScenarioReport
from layerlens.run.blame import user_frame
from layerlens.scenario.spec import Scenario


def at_fault(
    path: str, title: str | None, error: LayerlensError, cell: Any, started: float
) -> ScenarioReport:
    faults = error.faults
    return ScenarioReport(
        path=path,
        title=title,
        cell=dict(cell) if cell is not None else None,
        status="error",
        seconds=time.perf_counter() - started,
        errors=tuple(_error_row(fault, path) for fault in faults),
    )


def _error_row(fault: Fault, path: str) -> ErrorRow:
    where = fault.where
    return ErrorRow(
        message=fault.message,
        file=where.file if where else path,
        line=where.line if where else None,
        column=where.column if where else None,
        hint=fault.hint,
    )


def unexpected(scenario: Scenario, error: Exception, started: float) -> ScenarioReport:
    """Report what nobody foresaw: that something ran out, or a fault of layerlens."""
    ran_out = exhausted(error, scenario.path)
    if ran_out is None:
        return _own_fault(scenario, error, started)
    return at_fault(scenario.path, scenario.title, ran_out, scenario.cell, started)


def _own_fault(scenario: Scenario, error: Exception, started: float) -> ScenarioReport:
    if os.environ.get("LAYERLENS_DEBUG"):
        traceback.print_exception(error)
    text = " ".join(str(error).split())[:300]
    theirs = user_frame(error)
    if theirs is not None:
        place = f"`{theirs.name}` ({Path(theirs.filename).name}:{theirs.lineno})"
        message = f"the code of a model fails: {place} raises {type(error).__name__}: {text}"
        hint = "layerlens calls it as Keras does; make it return what Keras documents"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
        message = f"layerlens itself failed here: {type(error).__name__} at {place}: {text}"
        hint = (
            "this is a fault of layerlens: please report it with the scenario; "
            "LAYERLENS_DEBUG=1 prints the traceback"
        )
    row = ErrorRow(message, scenario.path, None, None, hint, internal=theirs is None)
    return ScenarioReport(
        path=scenario.path,
        title=scenario.title,
        cell=dict(scenario.cell) if scenario.cell is not None else None,
        status="error",
        seconds=time.perf_counter() - started,
        errors=(row,),
    )
