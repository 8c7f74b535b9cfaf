"""The choices of one run, frozen and handed down whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from layerlens.vocabulary import Verdict

#: Who does the work and within which limits, and what the file is held against, change no result.
WITHOUT_EFFECT = frozenset({"expect", "jobs", "memory_limit", "timeout", "max_memory"})


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`memory_limit` is in bytes; None means what the machine has free."""

    seed: int = 0
    #: The verdict expected of every pair in files without `expect:`.
    expect: Verdict | None = None
    allow_code: bool = False
    jobs: int = 1
    memory_limit: int | None = None
    #: Whether to measure which step depends on which, in every model.
    deps: bool = False
    #: Whether to measure that of features as well.
    features: bool = False
    #: Seconds that a scenario may take; None is no limit.
    timeout: float | None = None
    #: Bytes that the process which runs a scenario may take; None is no limit.
    max_memory: int | None = None
    #: Whether to trace every layer and model and tell the sizes of their graphs.
    graph: bool = False
    #: Whether to try what would make models agree that do not.
    explain: bool = False

    def with_effect(self) -> dict[str, Any]:
        """Return the choices that what is measured follows from."""
        return {name: value for name, value in asdict(self).items() if name not in WITHOUT_EFFECT}
