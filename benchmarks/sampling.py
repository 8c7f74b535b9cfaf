"""A sampling profiler of all threads of a layerlens command.

    python benchmarks/sampling.py compare scenarios/dense_vs_td.yaml --no-cache

Prints JSON on standard error: the share of samples in each module of layerlens (`rooms`) and in
each package whose code was running (`packages`). Importing counts as `import`. The profilers of
Python's standard library see only the thread that starts them.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from types import FrameType

#: Seconds between two samples.
SECONDS = 0.004
#: The files in which a waiting thread is.
_WAITING = ("threading.py", "selectors.py", "queue.py", "concurrent/futures/thread.py")


def frames(leaf: FrameType | None) -> list[FrameType]:
    """Return a thread's frames, the innermost first."""
    found = []
    while leaf is not None:
        found.append(leaf)
        leaf = leaf.f_back
    return found


def package(frame: FrameType) -> str:
    name = str(frame.f_globals.get("__name__", "?"))
    top = name.partition(".")[0]
    return "python" if top in sys.stdlib_module_names else top


def room(stack: list[FrameType]) -> str:
    """Return the innermost module of layerlens, or `import` while a module is being imported."""
    for frame in stack:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("importlib._bootstrap"):
            return "import"
        if name.startswith("layerlens."):
            return name.removeprefix("layerlens.")
    return "other"


class Sampler(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.rooms: Counter[str] = Counter()
        self.packages: Counter[str] = Counter()
        self.done = False

    def run(self) -> None:
        own = threading.get_ident()
        while not self.done:
            time.sleep(SECONDS)
            for thread, leaf in sys._current_frames().items():
                waits = leaf.f_code.co_filename.endswith(_WAITING)
                if thread == own or waits:
                    continue
                stack = frames(leaf)
                self.rooms[room(stack)] += 1
                self.packages[package(leaf)] += 1


def shares(counts: Counter[str], most: int = 12) -> dict[str, float]:
    total = max(1, sum(counts.values()))
    return {name: round(count / total, 3) for name, count in counts.most_common(most)}


def main() -> None:
    sampler = Sampler()
    started = time.perf_counter()
    sampler.start()
    from layerlens.cli import run

    status = run(sys.argv[1:])
    sampler.done = True
    sampler.join()
    figures = {
        "seconds": round(time.perf_counter() - started, 3),
        "status": status,
        "rooms": shares(sampler.rooms),
        "packages": shares(sampler.packages),
    }
    sys.stderr.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
