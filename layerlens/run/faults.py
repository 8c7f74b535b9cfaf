"""Reports of scenarios that could not be run: faults, exhausted resources, internal errors."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path
from typing import Any

from layerlens.errors import Fault, LayerlensError
from layerlens.fault_codes import Code
from layerlens.models.backend.exhaustion import exhausted
from layerlens.report.run import ErrorRow, ScenarioReport
from layerlens.run.user_code import user_frame
from layerlens.scenario.spec import Scenario


def fault_report(
    path: str, title: str | None, error: LayerlensError, cell: Any, started: float
) -> ScenarioReport:
    """Return the report of a scenario with faults; `started` is a time of `perf_counter`."""
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
        code=fault.code.value,
    )


def failure_report(scenario: Scenario, error: Exception, started: float) -> ScenarioReport:
    """Return the report of a scenario that raised an exception other than `LayerlensError`."""
    exhaustion = exhausted(error, scenario.path)
    if exhaustion is None:
        return _exception_report(scenario, error, started)
    return fault_report(scenario.path, scenario.title, exhaustion, scenario.cell, started)


def _exception_report(scenario: Scenario, error: Exception, started: float) -> ScenarioReport:
    if os.environ.get("LAYERLENS_DEBUG"):
        traceback.print_exception(error)
    text = " ".join(str(error).split())[:300]
    user_code = user_frame(error)
    if user_code is not None:
        place = f"`{user_code.name}` ({Path(user_code.filename).name}:{user_code.lineno})"
        message = f"the code of a model fails: {place} raises {type(error).__name__}: {text}"
        hint = "layerlens calls it as Keras does; make it return what Keras documents"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
        message = f"layerlens itself failed here: {type(error).__name__} at {place}: {text}"
        hint = (
            "this is a bug in layerlens: please report it with the scenario; "
            "LAYERLENS_DEBUG=1 prints the traceback"
        )
    code = Code.INTERNAL if user_code is None else Code.MODEL_RAISES
    row = ErrorRow(
        message, scenario.path, None, None, hint, internal=user_code is None, code=code.value
    )
    return ScenarioReport(
        path=scenario.path,
        title=scenario.title,
        cell=dict(scenario.cell) if scenario.cell is not None else None,
        status="error",
        seconds=time.perf_counter() - started,
        errors=(row,),
    )
