"""The tasks of a Dask worker: run cells and return rows."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from layerlens.errors import LayerlensError
from layerlens.report.rows import Row, tidy_rows
from layerlens.report.run import Environment, RunRecord, ScenarioReport
from layerlens.run.cache.environment_key import code_digest, keras_configuration
from layerlens.run.faults import fault_report
from layerlens.run.workers.in_process import InProcessExecutor
from layerlens.run.workers.losses import lost
from layerlens.run.workers.tasks import work_of
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.sweep import Sweep
from layerlens.scenario.spec import Scenario
from layerlens.versions import version_of

#: TensorFlow is shared by all threads of a worker.
_ONE_AT_A_TIME = threading.Lock()
_NOWHERE = Environment("", None, None, None, "")


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a sweep that one task runs."""

    sweep: Sweep
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CellResults:
    """The rows of each cell that a task ran.

    `stuck` is true if a cell exceeded its time: it still occupies the worker's process.
    """

    rows: Mapping[int, list[Row]]
    stuck: bool = False


def run_cells(cells: Cells, options: RunOptions) -> CellResults:
    """Run cells one after another; a fault of a cell becomes its row."""
    rows: dict[int, list[Row]] = {}
    work = work_of("compare", options)
    with _ONE_AT_A_TIME:
        for number in cells.numbers:
            scenario = _read_cell(cells.sweep, number)
            if isinstance(scenario, ScenarioReport):
                rows[number] = rows_of(scenario)
                continue
            executor = InProcessExecutor(work, options.timeout)
            for _, report in executor.run([scenario], [0], lambda _: None):
                rows[number] = rows_of(report)
            if executor.stuck:
                return CellResults(rows, stuck=True)
    return CellResults(rows)


def rows_of(report: ScenarioReport) -> list[Row]:
    """Return a row for each pair, or one row for a fault."""
    record = RunRecord("", _NOWHERE, report.status, (report,))
    internal = any(error.internal for error in report.errors)
    return [
        row | {"seconds": report.seconds, "internal": internal}
        for row in tidy_rows(record, "pairs")
    ]


def lost_rows(sweep: Sweep, number: int, message: str, hint: str) -> list[Row]:
    """Return the row of a cell whose workers died."""
    scenario = _read_cell(sweep, number)
    if isinstance(scenario, ScenarioReport):
        return rows_of(scenario)
    return rows_of(lost(scenario, message, hint, 0.0))


def versions() -> dict[str, str | None]:
    """Return the versions and settings that results depend on, without importing Keras."""
    found: dict[str, str | None] = {
        "layerlens' source": code_digest(),
        "keras.json": json.dumps(keras_configuration(), sort_keys=True),
    }
    names = ("layerlens", "keras", "tensorflow", "numpy")
    return found | {name: version_of(name) for name in names}


def _read_cell(sweep: Sweep, number: int) -> Scenario | ScenarioReport:
    started = time.perf_counter()
    try:
        return sweep.scenario(number)
    except LayerlensError as error:
        return fault_report(sweep.path, None, error, None, started)
