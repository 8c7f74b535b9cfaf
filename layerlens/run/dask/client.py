"""Run the cells of a sweep on the workers of a Dask scheduler."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layerlens.errors import LayerlensError, ScenarioError, UsageError
from layerlens.fault_codes import Code
from layerlens.run.cache.scenario_key import NotKeyableError, files_of
from layerlens.run.dask.parquet import ParquetTable
from layerlens.run.dask.worker import CellResults, Cells, lost_rows, rows_of, run_cells, versions
from layerlens.run.faults import fault_report
from layerlens.run.pipeline import Listener, Progress
from layerlens.scenario.files import find_scenario_files
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.sweep import Sweep, open_sweep

#: How long to wait for the scheduler and for the first worker.
_CONNECT_SECONDS = 60
#: How long a lost connection may take to recover, and a connection to close.
_RECONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
#: How often to check the connection while waiting.
_POLL_SECONDS = 0.05
#: Tasks sent ahead for each thread of the cluster, so that no thread waits.
_TASKS_PER_THREAD = 4
#: The most cells of a task, and the fewest tasks per thread; tasks are small because those of a
#: worker that dies are run again.
_MOST_CELLS_A_TASK = 50
_LEAST_TASKS = 40


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """The result of a run: the number of cells by status, of cells run, and of internal errors."""

    counts: Mapping[str, int]
    ran: int
    internal: int
    #: The messages of the first cells with an error.
    messages: tuple[str, ...] = ()


class Stopped(LayerlensError):  # noqa: N818 - usually on request
    """The run was stopped; the message says how many cells are done."""


def run_sweeps(
    paths: Sequence[str],
    scheduler: str,
    output: Path,
    options: RunOptions,
    progress: Listener | None = None,
) -> SweepSummary:
    """Run every cell under the paths on a Dask cluster, and write the rows to a Parquet file.

    Cells that the file or its parts already have are not run again.

    Raises:
        UsageError: there is no scheduler or no worker, or a worker has other versions.
        Stopped: the connection is lost.
    """
    sweeps: dict[str, Sweep] = {}
    faults: list[tuple[str, ScenarioError]] = []
    for path in find_scenario_files(paths):
        try:
            sweep = open_sweep(path)
        except ScenarioError as error:
            faults.append((str(path), error))
        else:
            sweeps[_sweep_id(sweep, options)] = sweep
    totals = {key: sweep.total for key, sweep in sweeps.items()}
    # A file at fault counts as one cell.
    totals |= {name: 1 for name, _ in faults}
    table = ParquetTable(output, totals)
    for name, fault in faults:
        table.add(name, 0, rows_of(fault_report(name, None, fault, None, time.perf_counter())))
    before = table.done()
    messages: list[str] = []
    if any(True for key in sweeps for _ in table.left(key)):
        with closing(_Cluster(scheduler)) as cluster:
            _SweepRun(cluster, table, sweeps, options, progress, messages).run()
    table.finish()
    return SweepSummary(dict(table.counts), table.done() - before, table.internal, tuple(messages))


def _sweep_id(sweep: Sweep, options: RunOptions) -> str:
    """Return a digest of all that the results of a sweep depend on."""
    try:
        files: Any = files_of(sweep.scenario(0), allow_code=options.allow_code)
    except NotKeyableError as error:
        files = str(error)
    choices = [options.with_effect(), options.expect, options.strict]
    content = json.dumps([sweep.path, sweep.text, files, choices, versions()])
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class _Cluster:
    """A connection to a scheduler, with workers that have the same versions as this process."""

    def __init__(self, address: str) -> None:
        import distributed

        self.address = address
        self._away_since: float | None = None

        # This module handles what they warn of: lost results, lost workers, a lost scheduler.
        # Each is named, because Dask's configuration sets the level of some.
        for name in ("distributed", "distributed.client", "tornado.application", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self.client = distributed.Client(
                address, timeout=_CONNECT_SECONDS, set_as_default=False, name="layerlens"
            )
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(
                f"there is no Dask scheduler at {address}: {error}",
                hint="start one with `dask scheduler`, and workers with "
                "`dask worker ADDRESS --nthreads 1 --nworkers N`",
                code=Code.DASK,
            ) from error
        try:
            self._check()
        except OSError as error:  # includes a closed connection
            self.close()
            raise UsageError(
                f"the connection to the scheduler at {address} was lost: {error}",
                hint="start the scheduler again and run the same command to continue",
                code=Code.DASK,
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.client.close(timeout=_CLOSE_SECONDS)

    def check(self) -> None:
        """Raise ConnectionError if the scheduler has been away for too long.

        Dask's client itself waits for it without a limit.
        """
        if self.client.status == "running":
            self._away_since = None
            return
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since > _RECONNECT_SECONDS or self.client.status == "closed":
            raise ConnectionError(f"the scheduler at {self.address} does not answer")

    def results(self, window: Any) -> Iterator[Any]:
        """Yield futures as they finish, including those added meanwhile.

        Raises:
            ConnectionError: the scheduler has been away for too long.
        """
        while not window.is_empty():
            done = window.next_batch(block=False)
            yield from done
            self.check()
            if not done:
                time.sleep(_POLL_SECONDS)

    def fetched(self, future: Any) -> Any:
        """Return the result of a finished task, or raise its exception or ConnectionError."""
        import distributed

        while True:
            try:
                return future.result(timeout=_RECONNECT_SECONDS)
            except (TimeoutError, distributed.TimeoutError):
                self.check()  # if there is a scheduler, the result is still to come
                if future.status != "finished":
                    raise

    def threads(self) -> int:
        """Return the number of threads of all workers, at least 1."""
        threads: Mapping[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def _check(self) -> None:
        try:
            self.client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except TimeoutError as error:
            raise UsageError(
                f"the scheduler has no worker after {_CONNECT_SECONDS} s",
                hint="start some with `dask worker ADDRESS --nthreads 1 --nworkers N`",
                code=Code.DASK,
            ) from error
        ours = versions()
        try:
            found = self.client.run(versions)
        except ModuleNotFoundError as error:
            raise UsageError(
                f"a worker cannot import layerlens: {error}",
                hint="install the same layerlens and Keras on every machine",
                code=Code.DASK,
            ) from error
        for worker, theirs in found.items():
            for name, version in ours.items():
                if theirs.get(name) != version:
                    raise UsageError(
                        f"{name} is {theirs.get(name)} on the worker {worker}, and {version} here",
                        hint="install the same layerlens, Keras, TensorFlow and NumPy everywhere, "
                        "with the same `keras.json`",
                        code=Code.DASK,
                    )


class _SweepRun:
    """One run: sends the cells as tasks and adds the results to the table, each once."""

    def __init__(
        self,
        cluster: _Cluster,
        table: ParquetTable,
        sweeps: Mapping[str, Sweep],
        options: RunOptions,
        progress: Listener | None,
        messages: list[str],
    ) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._table = table
        self._sweeps = sweeps
        self._options = replace(options, jobs=1, max_memory=None)
        self._progress = progress
        self._messages = messages
        self._total = sum(sweep.total for sweep in sweeps.values())
        self._sent: dict[str, tuple[str, Cells]] = {}
        #: Cells whose worker died. Each is run once more, alone, because Dask fails all tasks of a
        #: dead worker, and only one of them is the cause.
        self._suspects: list[tuple[str, Cells]] = []

    def run(self) -> None:
        """Send the tasks, a window of them at a time, and collect the results."""
        import distributed

        window = distributed.as_completed(loop=self._client.loop)
        try:
            threads = self._cluster.threads()
            left = self._total - self._table.done()
            size = max(1, min(_MOST_CELLS_A_TASK, left // (threads * _LEAST_TASKS)))
            tasks = self._tasks(size)
            for _ in range(_TASKS_PER_THREAD * threads):
                self._send(window, tasks)
            for future in self._cluster.results(window):
                key, cells = self._sent.pop(future.key)
                to_resend = self._collect(future, key, cells)
                for numbers in to_resend:
                    self._submit(window, key, Cells(cells.sweep, numbers))
                if not to_resend:
                    self._send(window, tasks)
            self._run_suspects()
        except (distributed.CancelledError, OSError) as error:
            raise self._stopped(f"the connection to the scheduler was lost ({error})") from error
        except KeyboardInterrupt:
            self._client.cancel(list(window.futures))
            self._table.flush()
            raise
        if self._sent:
            raise self._stopped("the scheduler lost the submitted tasks")

    def _run_suspects(self) -> None:
        import distributed

        for key, cells in self._suspects:
            future = self._client.submit(run_cells, cells, self._options, pure=False)
            window = distributed.as_completed([future], loop=self._client.loop)
            for _ in self._cluster.results(window):
                pass
            if self._failed(future):
                self._add_lost(future, key, cells)
            else:
                self._collect(future, key, cells)

    def _tasks(self, size: int) -> Iterator[tuple[str, Cells]]:
        for key, sweep in self._sweeps.items():
            numbers: list[int] = []
            for number in self._table.left(key):
                numbers.append(number)
                if len(numbers) == size:
                    yield key, Cells(sweep, tuple(numbers))
                    numbers = []
            if numbers:
                yield key, Cells(sweep, tuple(numbers))

    def _send(self, window: Any, tasks: Iterator[tuple[str, Cells]]) -> None:
        task = next(tasks, None)
        if task is not None:
            self._submit(window, *task)

    def _submit(self, window: Any, key: str, cells: Cells) -> None:
        future = self._client.submit(run_cells, cells, self._options, pure=False)
        self._sent[future.key] = key, cells
        window.add(future)

    def _collect(self, future: Any, key: str, cells: Cells) -> list[tuple[int, ...]]:
        """Add the results of a task to the table; return the cells to send again, by task."""
        if self._failed(future):
            return self._split(future, key, cells)
        ran: CellResults = self._cluster.fetched(future)
        for number, rows in ran.rows.items():
            self._add(key, number, rows)
        if ran.stuck:
            self._restart_workers(future)
        left = tuple(number for number in cells.numbers if number not in ran.rows)
        return [left] if left else []

    def _failed(self, future: Any) -> bool:
        """Return whether a task has no result; its result is fetched, as that may fail as well."""
        if future.status == "finished":
            try:
                self._cluster.fetched(future)
            except ConnectionError:
                self._cluster.check()  # otherwise only the worker with the result was lost
            except Exception:  # any other one also sets the future's status
                pass
        return bool(future.status != "finished")

    def _split(self, future: Any, key: str, cells: Cells) -> list[tuple[int, ...]]:
        """Return the cells of a task whose worker died, one per task; a single one is a suspect."""
        if future.status == "cancelled":
            return [cells.numbers]
        if len(cells.numbers) > 1:
            return [(number,) for number in cells.numbers]
        self._suspects.append((key, cells))
        return []

    def _add_lost(self, future: Any, key: str, cells: Cells) -> None:
        """Add the row of a cell whose worker died while it ran nothing else."""
        import distributed

        (number,) = cells.numbers
        error = future.exception()
        died = isinstance(error, distributed.KilledWorker)
        why = "every worker that ran this cell died" if died else "no worker could run this cell"
        rows = lost_rows(
            cells.sweep,
            number,
            f"{why}: {' '.join(str(error).split())[:300]}",
            "Dask kills workers that run out of memory: set a higher `--memory-limit`",
        )
        self._add(key, number, rows)

    def _add(self, key: str, number: int, rows: Sequence[dict[str, Any]]) -> None:
        self._table.add(key, number, rows)
        error = rows[0]["error"] if rows and rows[0]["status"] == "error" else None
        if error is not None and len(self._messages) < 3:
            self._messages.append(f"{rows[0]['path']}, cell {number}: {error}")
        if self._progress:
            title = str(rows[0]["title"] or "") if rows else ""
            self._progress(Progress(self._table.done(), self._total, title))

    def _restart_workers(self, future: Any) -> None:
        """Restart the worker process that is stuck on a cell, or retire it if that fails."""
        for workers in self._client.who_has([future]).values():
            for address in workers:
                try:
                    self._client.restart_workers([address], timeout=_CONNECT_SECONDS)
                except (ValueError, TimeoutError, OSError):  # the worker has no nanny, or has ended
                    self._client.retire_workers([address], close_workers=True)

    def _stopped(self, why: str) -> Stopped:
        self._table.flush()
        return Stopped(
            f"{why}; {self._table.done():,} of {self._total:,} cells are done",
            hint="run the same command to continue from there",
        )
