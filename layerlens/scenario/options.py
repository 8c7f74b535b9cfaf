"""The options of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from layerlens.vocabulary import Effort, Verdict, Weights

#: Options that change no measured result of a scenario: who runs it, within which limits, what is
#: expected, and how models on the command line become one.
WITHOUT_EFFECT = frozenset(
    {"expect", "strict", "jobs", "memory_limit", "timeout", "max_memory", "weights", "against"}
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of one run, passed on whole."""

    seed: int = 0
    #: The verdict expected of every pair in files without `expect:`.
    expect: Verdict | None = None
    allow_code: bool = False
    #: How much may be spent on each pair.
    effort: Effort = "normal"
    #: The number of processes; None depends on the number of scenarios.
    jobs: int | None = 1
    #: Bytes that the weights of the models may take; None is the free memory of the machine.
    memory_limit: int | None = None
    #: Whether to measure in every model which output step depends on which input step.
    deps: bool = False
    #: Whether to measure the same for features.
    features: bool = False
    #: Seconds a scenario may take; None is no limit.
    timeout: float | None = None
    #: Bytes the process that runs a scenario may take; None is no limit.
    max_memory: int | None = None
    #: Whether to trace every layer and model and report the sizes of their graphs.
    graph: bool = False
    #: Whether to try changes that would make a differing pair agree.
    explain: bool = False
    #: What is compared of models that are named instead of scenarios; None depends on their kinds.
    weights: Weights | None = None
    #: The git revision at which the one named callable is the reference; None compares models.
    against: str | None = None
    #: Whether a scenario that expects nothing, an `inconclusive` and a `weak` pass are failures.
    strict: bool = False

    def with_effect(self) -> dict[str, Any]:
        """Return the options that measured results depend on."""
        return {name: value for name, value in asdict(self).items() if name not in WITHOUT_EFFECT}
