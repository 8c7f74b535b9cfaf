"""What is known of a scenario while it runs, and its report where it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from layerlens.report.pairs import PairReport

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import ModelReport
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.spec import Scenario
    from layerlens.vocabulary import Mode


@dataclass(frozen=True, slots=True)
class Planned:
    """The pairs to compare: the reference, and each candidate with a mode."""

    reference: str
    pairs: tuple[tuple[str, Mode], ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """The layer tables of some models, in place of earlier ones, and the models aligned."""

    models: tuple[ModelReport, ...]
    diffs: tuple[ModelsDiff, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """A pair is being compared from now on."""

    candidate: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Decided:
    """The report of a pair; a later one of the same pair takes its place."""

    pair: PairReport


@dataclass(frozen=True, slots=True)
class Stage:
    """What is being done, in words that follow `while`."""

    text: str


#: What a scenario tells while it runs.
News = Planned | Tables | Begun | Decided | Stage
Tell = Callable[[News], None]


@dataclass(frozen=True, slots=True)
class Known:
    """What a scenario has told so far."""

    planned: Planned | None = None
    models: tuple[ModelReport, ...] = ()
    diffs: tuple[ModelsDiff, ...] = ()
    #: The pairs decided so far.
    pairs: tuple[PairReport, ...] = ()
    #: The candidate and mode that are being compared.
    begun: tuple[str, Mode] | None = None
    stage: str = ""

    def with_news(self, news: News) -> Known:
        match news:
            case Planned():
                return replace(self, planned=news)
            case Tables(models, diffs):
                names = {one.name for one in models}
                others = (one for one in self.models if one.name not in names)
                return replace(self, models=(*others, *models), diffs=diffs)
            case Begun(candidate, mode):
                return replace(self, begun=(candidate, mode), stage="")
            case Decided(pair):
                rest = (one for one in self.pairs if _key(one) != _key(pair))
                return replace(self, pairs=(*rest, pair))
            case Stage(text):
                return replace(self, stage=text)

    def add_to(self, report: ScenarioReport, scenario: Scenario, stopped: str) -> ScenarioReport:
        """Return the report of a scenario that was stopped, with what is known added.

        Pairs that are not decided are `inconclusive`; `stopped` says what happened, such as
        "stopped after 300 s".
        """
        return replace(
            report,
            question=scenario.question,
            answer=scenario.answer,
            models=self.models,
            diffs=self.diffs,
            pairs=tuple(self._pairs(stopped)),
            errors=tuple(replace(row, hint=self._hint(row.hint)) for row in report.errors),
        )

    def _pairs(self, stopped: str) -> Iterator[PairReport]:
        if self.planned is None:
            return
        decided = {_key(pair): pair for pair in self.pairs}
        for key in self.planned.pairs:
            text = f"{stopped[:1].upper()}{stopped[1:]}, {self._how_far(key)}."
            yield decided.get(key) or PairReport(
                self.planned.reference, *key, "inconclusive", None, text
            )

    def _how_far(self, key: tuple[str, Mode]) -> str:
        if key != self.begun:
            return "before these two were compared"
        return f"while {self.stage}" if self.stage else "while these two were compared"

    def _hint(self, hint: str | None) -> str | None:
        if not self.stage:
            return hint
        stopped = f"it was stopped while {self.stage}"
        return f"{stopped}; {hint}" if hint else stopped


def _key(pair: PairReport) -> tuple[str, Mode]:
    return pair.candidate, pair.mode


def untold(news: News) -> None:
    """Tell nobody."""


def pairs_of(scenario: Scenario) -> Iterator[tuple[str, Mode]]:
    """Yield the pairs of a scenario, as the name of the candidate and the mode, in order."""
    for candidate in scenario.candidates:
        yield from ((candidate.name, mode) for mode in scenario.modes)
