"""A sweep on a real scheduler and workers: workers die, the client is stopped and resumes.

The work of a worker on a cell is replaced, since it would start TensorFlow.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

CELLS = 160
SWEEP = """\
title: A sweep
input: {shape: [4]}
models: {one: [Dense: 3], other: [Dense: 3]}
matrix: {n: [NUMBERS]}
"""
#: Imported by each worker as it starts; records the cells that it runs.
PRELOAD = """\
import os, signal, time
from pathlib import Path
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run.dask import worker

def work_of(kind, options):
    def work(scenario, *, tell):
        number = scenario.cell["n"]
        if number == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        with Path(os.environ["RAN"]).open("a") as log:
            log.write(f"{number} {os.getpid()}\\n")
        pairs = [PairReport("one", "other", mode, "equivalent", "tested", "")
                 for mode in ("inference", "training")]
        return ScenarioReport(scenario.path, "t", dict(scenario.cell), "pass", 0.02,
                              pairs=tuple(pairs))
    return work

worker.work_of = work_of
"""
DEADLY = 100


class Cluster:
    """A scheduler and two workers, each a process with a nanny that restarts it."""

    def __init__(self, folder: Path) -> None:
        self.ran = folder / "ran.txt"
        self.ran.touch()
        self.file = folder / "scheduler.json"
        preload = folder / "preload.py"
        preload.write_text(PRELOAD.replace("DEADLY", str(DEADLY)))
        self._environment = {
            **os.environ,
            "RAN": str(self.ran),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
            "DASK_DISTRIBUTED__WORKER__PRELOAD": str(preload),
        }
        self._log = (folder / "cluster.log").open("wb")
        where = ["--scheduler-file", str(self.file), "--no-dashboard"]
        self._processes = [
            self._start("scheduler", *where, "--host", "127.0.0.1", "--port", "0"),
            self._start("worker", *where, "--nworkers", "2", "--nthreads", "1"),
        ]
        wait_until(lambda: self.file.exists() and self.file.read_text())

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        module = f"distributed.cli.dask_{what}"
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self._environment,
            cwd=self.file.parent,
            start_new_session=True,
        )

    def address(self) -> str:
        return str(json.loads(self.file.read_text())["address"])

    def log(self) -> list[tuple[int, int]]:
        """Return the cells that were run, each with its process."""
        lines = self.ran.read_text().splitlines()
        return [(int(number), int(process)) for number, process in map(str.split, lines)]

    def kill_scheduler(self) -> None:
        os.killpg(self._processes[0].pid, signal.SIGKILL)

    def stop(self) -> None:
        for process in self._processes:  # the whole group, with the processes of a nanny
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._log.close()


def wait_until(condition, seconds: float = 90) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.05)


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.stop()


@pytest.mark.nightly
def test_no_cell_is_lost_or_repeated_when_workers_die_and_the_client_stops(
    cluster, command, run, tmp_path
):
    path, output = tmp_path / "sweep.yaml", tmp_path / "results.parquet"
    path.write_text(SWEEP.replace("NUMBERS", ", ".join(map(str, range(CELLS)))))
    arguments = ["compare", path, "--scheduler", cluster.address(), "--output", output]
    child = subprocess.Popen(
        [command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: len(cluster.log()) > 15)
    os.kill(cluster.log()[-1][1], signal.SIGKILL)
    wait_until(lambda: len(cluster.log()) > 60)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130, said
    assert "run the same command to continue" in said
    assert not output.exists()
    time.sleep(0.5)  # until the cells in progress end

    before = len(cluster.log())
    outcome = run(*arguments)
    assert outcome.status == 2, outcome.stderr
    assert "every worker that ran this cell died" in outcome.stderr
    assert f"cell {DEADLY}" in outcome.stderr
    assert f"{CELLS} cells" in outcome.stdout
    assert f"1 error, {CELLS - 1} pass" in outcome.stdout
    assert len(cluster.log()) - before < CELLS - 15, "what was done was not run again"

    rows = pq.read_table(output)
    counts = Counter(rows["cell_number"].to_pylist())
    assert sorted(counts) == list(range(CELLS))
    assert set(counts.values()) == {1, 2}  # a row for each mode, or one for an error
    assert [number for number, count in counts.items() if count == 1] == [DEADLY]
    assert not output.with_name("results.parquet.parts").exists()


def test_the_client_ends_with_its_scheduler_and_keeps_the_results(cluster, command, tmp_path):
    path, output = tmp_path / "sweep.yaml", tmp_path / "results.parquet"
    path.write_text(SWEEP.replace("NUMBERS", ", ".join(map(str, range(CELLS)))))
    arguments = ["compare", path, "--scheduler", cluster.address(), "--output", output]
    child = subprocess.Popen(
        [command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: len(cluster.log()) > 15)
    cluster.kill_scheduler()
    _, said = child.communicate(timeout=60)
    assert child.returncode == 2, said
    assert "Traceback" not in said
    found = re.search(r"the connection to the scheduler was lost .*; (\d+) of 160 cells", said)
    assert found, said
    assert "run the same command to continue from there" in said
    kept = [pq.read_table(part) for part in output.with_name("results.parquet.parts").iterdir()]
    assert len({n for rows in kept for n in rows["cell_number"].to_pylist()}) == int(found[1])
    assert int(found[1]) > 0
    assert not output.exists()


def test_options_that_do_not_go_with_a_scheduler_are_refused(run, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP.replace("NUMBERS", "1"))
    for arguments, said in (
        (["--output", tmp_path / "r.parquet"], "add `--scheduler ADDRESS`"),
        (["--scheduler", "tcp://127.0.0.1:1"], "add `--output results.parquet`"),
        (
            ["--scheduler", "tcp://127.0.0.1:1", "-o", tmp_path / f"{'x' * 245}.parquet"],
            "cannot be written next to it: file name too long",
        ),
    ):
        outcome = run("compare", path, *arguments)
        assert outcome.status == 2
        assert said in outcome.stderr
