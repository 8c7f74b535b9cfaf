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
from layerlens.run.cache.scenario_key import NotKeyableError, files_of
from layerlens.run.dask.parquet import Sheet
from layerlens.run.dask.worker import Cells, Ran, lost_rows, rows_of, run_cells, versions
from layerlens.run.faults import at_fault
from layerlens.run.pipeline import Listener, Progress
from layerlens.scenario.files import find_scenario_files
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.sweep import Sweep, open_sweep

#: How long to wait for the scheduler, and for a first worker, in seconds.
_PATIENCE = 60
#: How long a connection that was lost may take to come back, and how long one that is closed, in
#: seconds.
_RECONNECTION = 5.0
_CLOSING = 5.0
#: How often the connection is looked at while nothing comes, in seconds.
_LOOK = 0.05
#: Tasks for each thread of the cluster that are on their way: none waits for the next one.
_AHEAD = 4
#: A task is at most so many cells, and there are at least so many tasks for each thread: what
#: dies with a worker is done again.
_MOST_CELLS_A_TASK = 50
_LEAST_TASKS = 40


@dataclass(frozen=True, slots=True)
class Spread:
    """What a run over a cluster came to: how many cells by their status, and how many were new."""

    counts: Mapping[str, int]
    ran: int
    internal: int
    #: What was said of the first cells in error.
    told: tuple[str, ...] = ()


class Stopped(LayerlensError):  # noqa: N818 - as it was asked to, mostly
    """The run ended before its end; says how far it came."""


def spread_paths(
    paths: Sequence[str],
    scheduler: str,
    output: Path,
    options: RunOptions,
    progress: Listener | None = None,
) -> Spread:
    """Run every cell under the paths on the scheduler's workers, each row into a Parquet file.

    What the file, or its parts, hold already is not run again. Raises UsageError where there is no
    scheduler or no worker, or where workers have other versions than this process; Stopped where
    the connection is lost.
    """
    sweeps: dict[str, Sweep] = {}
    faults: list[tuple[str, ScenarioError]] = []
    for path in find_scenario_files(paths):
        try:
            sweep = open_sweep(path)
        except ScenarioError as error:
            faults.append((str(path), error))
        else:
            sweeps[_id(sweep, options)] = sweep
    totals = {key: sweep.total for key, sweep in sweeps.items()}
    # A file at fault is a row as well.
    totals |= {name: 1 for name, _ in faults}
    sheet = Sheet(output, totals)
    for name, fault in faults:
        sheet.add(name, 0, rows_of(at_fault(name, None, fault, None, time.perf_counter())))
    before = sheet.done()
    told: list[str] = []
    if any(True for key in sweeps for _ in sheet.left(key)):
        with closing(_Cluster(scheduler)) as cluster:
            _Run(cluster, sheet, sweeps, options, progress, told).go()
    sheet.finish()
    return Spread(dict(sheet.counts), sheet.done() - before, sheet.internal, tuple(told))


def _id(sweep: Sweep, options: RunOptions) -> str:
    """Return what tells a sweep from one that would come to other results."""
    try:
        named: Any = files_of(sweep.scenario(0), allow_code=options.allow_code)
    except NotKeyableError as error:
        named = str(error)
    choices = [options.with_effect(), options.expect]
    content = json.dumps([sweep.path, sweep.text, named, choices, versions()])
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class _Cluster:
    """A connection to a scheduler, with workers that have the same versions as this process."""

    def __init__(self, address: str) -> None:
        import distributed

        self.address = address
        self._away_since: float | None = None

        # What it warns of (results to be fetched anew, workers that are gone, a scheduler that does
        # not answer) is dealt with here. Dask's configuration gives some loggers their own level.
        for name in ("distributed", "distributed.client", "tornado.application", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self.client = distributed.Client(
                address, timeout=_PATIENCE, set_as_default=False, name="layerlens"
            )
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(
                f"there is no Dask scheduler at {address}: {error}",
                hint="start one with `dask scheduler`, and workers with "
                "`dask worker ADDRESS --nthreads 1 --nworkers N`",
            ) from error
        try:
            self._check()
        except OSError as error:  # a connection that was closed is one of those
            self.close()
            raise UsageError(
                f"the connection to the scheduler at {address} was lost: {error}",
                hint="start the scheduler again; the same command goes on",
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.client.close(timeout=_CLOSING)

    def check(self) -> None:
        """Raise ConnectionError where the scheduler has been away for too long.

        Dask's client waits for it, and with it everybody who waits for a result.
        """
        if self.client.status == "running":
            self._away_since = None
            return
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since > _RECONNECTION or self.client.status == "closed":
            raise ConnectionError(f"the scheduler at {self.address} does not answer")

    def results(self, window: Any) -> Iterator[Any]:
        """Yield futures as they are done, also those that are added meanwhile.

        Raises ConnectionError where the scheduler is gone.
        """
        while not window.is_empty():
            done = window.next_batch(block=False)
            yield from done
            self.check()
            if not done:
                time.sleep(_LOOK)

    def fetched(self, future: Any) -> Any:
        """Return the result of a task that is done; raise what it raised, or ConnectionError."""
        import distributed

        while True:
            try:
                return future.result(timeout=_RECONNECTION)
            except (TimeoutError, distributed.TimeoutError):
                self.check()  # on its way still, where there is a scheduler
                if future.status != "finished":
                    raise

    def threads(self) -> int:
        threads: Mapping[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def _check(self) -> None:
        try:
            self.client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise UsageError(
                f"the scheduler has no worker after {_PATIENCE} s",
                hint="start some with `dask worker ADDRESS --nthreads 1 --nworkers N`",
            ) from error
        ours = versions()
        try:
            found = self.client.run(versions)
        except ModuleNotFoundError as error:
            raise UsageError(
                f"a worker cannot import layerlens: {error}",
                hint="install the same layerlens and Keras on every machine",
            ) from error
        for worker, theirs in found.items():
            for name, version in ours.items():
                if theirs.get(name) != version:
                    raise UsageError(
                        f"{name} is {theirs.get(name)} on the worker {worker}, and {version} here",
                        hint="install the same layerlens, Keras, TensorFlow and NumPy everywhere, "
                        "with the same `keras.json`",
                    )


class _Run:
    """The cells of a run, some on their way, each taken once."""

    def __init__(
        self,
        cluster: _Cluster,
        sheet: Sheet,
        sweeps: Mapping[str, Sweep],
        options: RunOptions,
        progress: Listener | None,
        told: list[str],
    ) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._sheet = sheet
        self._sweeps = sweeps
        self._options = replace(options, jobs=1, max_memory=None)
        self._progress = progress
        self._told = told
        self._total = sum(sweep.total for sweep in sweeps.values())
        self._sent: dict[str, tuple[str, Cells]] = {}
        #: Cells whose worker died. Each is run once more, alone: Dask blames every task that a
        #: worker had been given, and only one of them is the reason.
        self._suspects: list[tuple[str, Cells]] = []

    def go(self) -> None:
        """Send tasks, a window of them at a time, and take what comes back."""
        import distributed

        window = distributed.as_completed(loop=self._client.loop)
        try:
            threads = self._cluster.threads()
            left = self._total - self._sheet.done()
            size = max(1, min(_MOST_CELLS_A_TASK, left // (threads * _LEAST_TASKS)))
            tasks = self._tasks(size)
            for _ in range(_AHEAD * threads):
                self._send(window, tasks)
            for future in self._cluster.results(window):
                key, cells = self._sent.pop(future.key)
                again = self._take(future, key, cells)
                for numbers in again:
                    self._submit(window, key, Cells(cells.sweep, numbers))
                if not again:
                    self._send(window, tasks)
            self._run_suspects()
        except (distributed.CancelledError, OSError) as error:
            raise self._stopped(f"the connection to the scheduler was lost ({error})") from error
        except KeyboardInterrupt:
            self._client.cancel(list(window.futures))
            self._sheet.flush()
            raise
        if self._sent:
            raise self._stopped("the scheduler lost what was sent to it")

    def _run_suspects(self) -> None:
        import distributed

        for key, cells in self._suspects:
            future = self._client.submit(run_cells, cells, self._options, pure=False)
            window = distributed.as_completed([future], loop=self._client.loop)
            for _ in self._cluster.results(window):
                pass
            if self._lost(future):
                self._blame(future, key, cells)
            else:
                self._take(future, key, cells)

    def _tasks(self, size: int) -> Iterator[tuple[str, Cells]]:
        for key, sweep in self._sweeps.items():
            numbers: list[int] = []
            for number in self._sheet.left(key):
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

    def _take(self, future: Any, key: str, cells: Cells) -> list[tuple[int, ...]]:
        """Take what a task came to; return the cells that have to be sent again."""
        if self._lost(future):
            return self._apart(future, key, cells)
        ran: Ran = self._cluster.fetched(future)
        for number, rows in ran.rows.items():
            self._add(key, number, rows)
        if ran.stuck:
            self._restart(future)
        left = tuple(number for number in cells.numbers if number not in ran.rows)
        return [left] if left else []

    def _lost(self, future: Any) -> bool:
        """Tell whether a task came to nothing; fetch its result, which may be lost on the way."""
        if future.status == "finished":
            try:
                self._cluster.fetched(future)
            except ConnectionError:
                self._cluster.check()  # of a worker it may be, whose result is lost
            except Exception:  # of whatever kind: the future's status tells it as well
                pass
        return bool(future.status != "finished")

    def _apart(self, future: Any, key: str, cells: Cells) -> list[tuple[int, ...]]:
        """Send the cells of a task whose worker died one by one; a single one is a suspect."""
        if future.status == "cancelled":
            return [cells.numbers]
        if len(cells.numbers) > 1:
            return [(number,) for number in cells.numbers]
        self._suspects.append((key, cells))
        return []

    def _blame(self, future: Any, key: str, cells: Cells) -> None:
        """Tell of a cell that took with it a worker that did nothing else."""
        import distributed

        (number,) = cells.numbers
        error = future.exception()
        died = isinstance(error, distributed.KilledWorker)
        why = "every worker that ran this cell died" if died else "no worker could run this cell"
        rows = lost_rows(
            cells.sweep,
            number,
            f"{why}: {' '.join(str(error).split())[:300]}",
            "where memory runs out, Dask ends its workers: give them more with `--memory-limit`",
        )
        self._add(key, number, rows)

    def _add(self, key: str, number: int, rows: Sequence[dict[str, Any]]) -> None:
        self._sheet.add(key, number, rows)
        error = rows[0]["error"] if rows and rows[0]["status"] == "error" else None
        if error is not None and len(self._told) < 3:
            self._told.append(f"{rows[0]['path']}, cell {number}: {error}")
        if self._progress:
            title = str(rows[0]["title"] or "") if rows else ""
            self._progress(Progress(self._sheet.done(), self._total, title))

    def _restart(self, future: Any) -> None:
        """Have the process that is still at work on a cell ended by its nanny, or leave it out."""
        for workers in self._client.who_has([future]).values():
            for address in workers:
                try:
                    self._client.restart_workers([address], timeout=_PATIENCE)
                except (ValueError, TimeoutError, OSError):  # it has no nanny, or is gone
                    self._client.retire_workers([address], close_workers=True)

    def _stopped(self, why: str) -> Stopped:
        self._sheet.flush()
        return Stopped(
            f"{why}; {self._sheet.done():,} of {self._total:,} cells are done",
            hint="the same command goes on from there",
        )
