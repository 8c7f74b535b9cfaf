"""The number of processes that run the scenarios of one call."""

from __future__ import annotations

from layerlens.models.backend.free_memory import free_memory
from layerlens.plain.processors import count_processors
from layerlens.scenario.options import RunOptions
from layerlens.vocabulary import Command

#: Scenarios per process from which another process is worth the seconds it takes to import Keras.
_WORTH_A_PROCESS = 12
#: Bytes that a process may need: it is replaced when it has grown by one GiB.
_BYTES_PER_PROCESS = 2 * 1024**3


def jobs_for(kind: Command, options: RunOptions, count: int) -> int:
    """Return how many processes run `count` scenarios; 1 also stands for this process.

    Where the options give no number, it depends on the scenarios, the processors and the free
    memory. Summaries run nothing, and take one process.
    """
    if options.jobs is not None:
        return max(1, min(options.jobs, count))
    if kind == "summary":
        return 1
    wanted = min(count // _WORTH_A_PROCESS, count_processors())
    if wanted < 2:
        return 1
    free = free_memory()
    return wanted if free is None else max(1, min(wanted, free // _BYTES_PER_PROCESS))
