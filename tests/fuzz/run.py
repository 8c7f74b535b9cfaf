"""Run the command on generated files and report what it gets wrong.

    python tests/fuzz/run.py --files 10000 --jobs 2

Each worker is one process with one TensorFlow, in its own folder. It calls the command line again
and again. A file on which it hangs or needs too much memory is reported like any other finding. If
a TensorFlow kernel crashes a worker on a file, that file is given to the command itself, and a new
worker continues after it. The exit status is 1 if there is a finding.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from canaries import MODULE, Watch, clear, make_canaries
from mappings import mapping_mutant
from mutating import Mutant, mutant
from oracle import Said, false_passes, untruths

#: What a file may take before the command gives it up, and before the command is given up.
TIMEOUT_SECONDS = 60
LONGEST_SECONDS = 240.0
#: The most memory a worker may come to, and what it is told is free: what the command holds against
#: that is a lower bound, and about twice as much is taken in the end.
MOST_BYTES = 6 * 1024**3
FREE_BYTES = 2 * 1024**3

#: How far mutants go; `composed` takes scenarios of ordinary layers alone, as far as `compare`.
#: `mappings` takes what Keras might make objects of, in scenarios and in saved models.
DEPTHS = ("read", "summary", "compare", "composed", "mappings")


_MUTANTS = frozenset(f"mutant.{kind}" for kind in ("yaml", "json", "keras", "h5"))


@dataclass(frozen=True, slots=True)
class Finding:
    """A file and what went wrong with it."""

    seed: int | None
    origin: str
    what: str


# --- the worker -----------------------------------------------------------------------------------


def work(seeds: range, depth: str) -> None:
    """Try the file of each seed and print one line of JSON before and one after."""
    from layerlens.models.build import memory

    memory.free_memory = lambda: FREE_BYTES
    # A module beside the scenarios that `python:` may name; that it ran must never be seen.
    Path("canary.py").write_text(MODULE, encoding="utf-8")
    watch = _watch() if depth == "mappings" else None
    for seed in seeds:
        tried = _mutant(seed, depth)
        _say(begin=seed, origin=tried.origin)
        started = time.monotonic()
        Path(tried.name).write_bytes(tried.content)
        with watch or contextlib.nullcontext():
            said = _read(tried) if depth == "read" else _run(depth, tried)
        seconds = time.monotonic() - started
        if watch is None:
            found = [*_untruths(said), *_left_behind()]
        else:
            found = [*untruths(said), *watch.found(), *clear(Path.cwd(), _MUTANTS)]
        _say(end=seed, status=said.status, seconds=seconds, found=found)
        if _is_stuck():
            os._exit(0)  # the file was given up, and is still at work beside us


def _watch() -> Watch:
    """Start what every command starts, put the canaries out and watch from then on."""
    from layerlens.models.backend.start import start_backend

    start_backend()
    make_canaries(Path.cwd())
    mapping_mutant(0)  # it makes the models that are changed
    return Watch(
        Path.cwd(), frozenset(f"mutant.{kind}" for kind in ("yaml", "json", "keras", "h5"))
    )


def _mutant(seed: int, depth: str) -> Mutant:
    if depth == "mappings":
        return mapping_mutant(seed)
    return mutant(seed, only_composed=depth == "composed")


def _arguments(tried: Mutant, depth: str) -> list[str]:
    command, *options = (depth,) if depth == "summary" else tried.command
    more = ["--format", "json", "--no-cache", "--timeout", str(TIMEOUT_SECONDS)]
    return [command, tried.name, *options, *more]


def _read(tried: Mutant) -> Said:
    """Read the file as the command does first, without the models."""
    from layerlens.errors import ScenarioError
    from layerlens.scenario.reading.scenarios import read_scenarios

    try:
        read_scenarios("mutant.yaml", least_models=1)
    except ScenarioError as error:
        return Said(2, "", str(error), tried.content, is_lie=False)
    except Exception:
        return Said(3, "", traceback.format_exc(), tried.content, is_lie=False)
    return Said(None, "", "", tried.content, is_lie=False)


def _run(depth: str, tried: Mutant) -> Said:
    from layerlens.cli import run

    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            status: Any = run(_arguments(tried, depth))
        except SystemExit as end:
            status = end.code
    texts = []
    for stream in (stdout, stderr):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Said(status, *texts, tried.content, tried.is_lie and depth != "summary")


def _untruths(said: Said) -> Iterator[str]:
    if said.status is not None:  # a file that was only read, and is fine
        yield from untruths(said)
        yield from _by_hand(said)


def _is_stuck() -> bool:
    """Tell whether a scenario that was given up is still at work in this process."""
    return any(thread.name.startswith("layerlens-") for thread in threading.enumerate())


def _by_hand(said: Said) -> Iterator[str]:
    try:
        yield from false_passes(said)
    except Exception as error:  # the second opinion failed, which is not the command's fault
        _say(unsure=f"{type(error).__name__}: {error}")


def _left_behind() -> Iterator[str]:
    for path in Path().iterdir():
        if path.name == "told.py":  # asked for with --repro
            path.unlink()
        elif path.name not in ("canary.py", "mutant.yaml"):
            yield f"{path.name} was left in the folder"
            if path.is_file():
                path.unlink()


def _say(**message: Any) -> None:
    print(json.dumps(message), file=sys.__stdout__, flush=True)


# --- the watch ------------------------------------------------------------------------------------


def watch(seeds: range, depth: str, tell: queue.Queue[Any]) -> None:
    """Keep a worker at the seeds, and put what it says, and how it died, into the queue."""
    while seeds:
        with tempfile.TemporaryDirectory(prefix="layerlens-fuzz-") as folder:
            at = _watch_one(seeds, depth, folder, tell)
        seeds = seeds[seeds.index(at) + 1 :]
        tell.put((at, "", "restart", 0.0, []))


def _watch_one(seeds: range, depth: str, folder: str, tell: queue.Queue[Any]) -> int:
    span = f"{seeds.start}:{seeds.stop}:{seeds.step}"
    with tempfile.TemporaryFile() as noise:
        worker = subprocess.Popen(
            [sys.executable, __file__, "--work", span, "--depth", depth],
            cwd=folder,
            env={**os.environ, "PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=noise,
            text=True,
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_listen, args=(worker, lines), daemon=True).start()
        seed, origin, since, why, last = None, "", time.monotonic(), "", seeds.start
        while True:
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                if seed is not None and time.monotonic() - since > LONGEST_SECONDS:
                    why = f"no end after {LONGEST_SECONDS:.0f} s"
                elif _resident(worker.pid) > MOST_BYTES:
                    why = f"more than {MOST_BYTES / 2**30:.0f} GiB of memory"
                if why:
                    worker.kill()
                continue
            if line is None:
                break
            message = json.loads(line)
            if "begin" in message:
                seed, origin, since = message["begin"], message["origin"], time.monotonic()
            elif "end" in message:
                tell.put((seed, origin, message["status"], message["seconds"], message["found"]))
                seed, last = None, message["end"]
            else:
                tell.put((seed, origin, "unsure", 0.0, [message["unsure"]]))
        status = worker.wait()
        noise.seek(0)
        said = noise.read()[-1500:].decode(errors="replace")
    if seed is None and status:
        tell.put((None, "the fuzzer itself", None, 0.0, [f"a worker failed: {said}"]))
        raise SystemExit(1)
    if seed is None:
        return last
    if status < 0 and not why:  # with a kernel of TensorFlow: does the command survive that?
        tell.put((seed, origin, "lost", 0.0, list(_lost_again(seed, depth, folder))))
    else:
        tell.put((seed, origin, None, 0.0, [why or f"the process died ({status}): {said}"]))
    return seed


def _lost_again(seed: int, depth: str, folder: str) -> Iterator[str]:
    """Run the command itself on the file that took its process along, and yield what is wrong."""
    tried = _mutant(seed, depth)
    command = [sys.executable, "-m", "layerlens", *_arguments(tried, depth)]
    Path(folder, tried.name).write_bytes(tried.content)
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=2 * LONGEST_SECONDS
    )
    yield from untruths(Said(done.returncode, done.stdout, done.stderr, tried.content, False))


def _listen(worker: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        lines.put(line)
    lines.put(None)


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0  # gone, or a system that does not say
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    """Parse the arguments, run the workers, print what they found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=None, help="stop after this time")
    parser.add_argument("--depth", choices=DEPTHS, default="compare")
    parser.add_argument("--verbose", action="store_true", help="show doubtful second opinions")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(range(*map(int, given.work.split(":"))), given.depth)
        return 0
    tell: queue.Queue[Any] = queue.Queue()
    last = given.first + given.files
    watchers = [
        threading.Thread(
            target=watch,
            args=(range(given.first + job, last, given.jobs), given.depth, tell),
            daemon=True,
        )
        for job in range(given.jobs)
    ]
    started = time.monotonic()
    for watcher in watchers:
        watcher.start()
    return _collect(tell, watchers, started, given)


def _collect(
    tell: queue.Queue[Any], watchers: list[threading.Thread], started: float, given: Any
) -> int:
    findings: list[Finding] = []
    statuses: Counter[Any] = Counter()
    slowest = (0.0, "")
    while any(watcher.is_alive() for watcher in watchers) or not tell.empty():
        if given.minutes and time.monotonic() - started > 60 * given.minutes:
            break
        with contextlib.suppress(queue.Empty):
            seed, origin, status, seconds, found = tell.get(timeout=0.5)
            statuses[status] += 1
            if sum(statuses.values()) % 100 == 0:
                print(f"  {dict(statuses)} after {time.monotonic() - started:,.0f} s", flush=True)  # noqa: T201
            if status == "restart":
                continue
            if seconds > TIMEOUT_SECONDS:
                print(f"  {seconds:.0f} s: {origin}", flush=True)  # noqa: T201
            slowest = max(slowest, (seconds, origin))
            if status == "unsure":
                if given.verbose:
                    print(f"? {origin}: {found[0]}", flush=True)  # noqa: T201
                continue
            for what in found:
                findings.append(Finding(seed, origin, what))
                print(f"✘ {origin}\n    {what}", flush=True)  # noqa: T201
    tried = sum(count for status, count in statuses.items() if status not in ("unsure", "restart"))
    told = ", ".join(f"{count:,} × {status}" for status, count in statuses.items())
    print(  # noqa: T201
        f"{tried:,} files in {time.monotonic() - started:,.0f} s; exit statuses {told}; "
        f"slowest {slowest[0]:.1f} s ({slowest[1]}); {len(findings)} findings"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
