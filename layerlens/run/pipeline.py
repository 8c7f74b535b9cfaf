"""Run all scenarios under some paths and collect their report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, overload

from layerlens.errors import LayerlensError
from layerlens.models.backend.start import describe_environment
from layerlens.report.run import ScenarioReport
from layerlens.run.faults import at_fault
from layerlens.run.report import Report
from layerlens.run.scenario import run_scenario, summarize_scenario
from layerlens.run.workers.dispatch import Dispatcher
from layerlens.scenario.files import SAVED_SUFFIXES, find_scenario_files
from layerlens.scenario.spec import ModelSpec, Scenario
from layerlens.versions import own_version
from layerlens.vocabulary import Status

if TYPE_CHECKING:
    from layerlens.report.pairs import ScriptListener
    from layerlens.run.cache.results import ResultCache
    from layerlens.scenario.options import RunOptions


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `done` of `total` scenarios, and the one that is next."""

    done: int
    total: int
    title: str


Listener = Callable[[Progress], None]


def compare_paths(
    paths: Sequence[str | Path],
    options: RunOptions,
    progress: Listener | None = None,
    on_script: ScriptListener | None = None,
    cache: ResultCache | None = None,
    dispatcher: Dispatcher | None = None,
) -> Report:
    """Read, build, carry over, probe, judge and report every scenario under the paths.

    A scenario at fault is reported and does not keep the others from running. What the cache knows
    is told from there. `on_script` is given a stand-alone script for every pair that has a
    difference to show; for that everything is run, in this process. A dispatcher that is given is
    left open. Raises UsageError where a path leads to no scenario.
    """
    cache = cache if on_script is None else None
    with (
        nullcontext(dispatcher)
        if dispatcher
        else closing(Dispatcher("compare", options, on_script)) as dispatcher
    ):
        files = _read_all(find_scenario_files([str(path) for path in paths]), cache, dispatcher)
        _run_all(files, dispatcher, progress, cache)
    return report_of(tuple(report for file in files for report in file.reports()))


def compare_scenarios(scenarios: Sequence[Scenario], options: RunOptions) -> Report:
    """Run scenarios that are at hand already."""
    return report_of(tuple(run_scenario(scenario, options) for scenario in scenarios))


def compare_scenario(
    scenario: Scenario, options: RunOptions, cache: ResultCache | None = None
) -> ScenarioReport:
    """Run one scenario in this process, unless the cache knows what comes out."""
    key = cache.key_of(scenario) if cache else None
    known = cache.recall(scenario, key) if cache else None
    if known is not None:
        return known
    report = run_scenario(scenario, options)
    if cache is not None:
        cache.keep(scenario, key, report)
    return report


def summarize_paths(
    paths: Sequence[str | Path],
    options: RunOptions,
    progress: Listener | None = None,
    cache: ResultCache | None = None,
) -> Report:
    """Report the layer tables of scenarios and saved models; nothing is run or allocated."""
    given = [str(path) for path in paths]
    saved = [path for path in given if Path(path).suffix in SAVED_SUFFIXES]
    others = [path for path in given if path not in saved]
    found = find_scenario_files(others) if others or not given else ()
    with closing(Dispatcher("summary", options)) as dispatcher:
        files = _read_all(found, cache, dispatcher, least_models=1)
        files += [_File(path, cache, [_saved_as_scenario(path)]) for path in saved]
        _run_all(files, dispatcher, progress, cache)
    return report_of(tuple(report for file in files for report in file.reports()))


def summarize_scenarios(scenarios: Sequence[Scenario], options: RunOptions) -> Report:
    """Report the layer tables of scenarios that are at hand already."""
    return report_of(tuple(summarize_scenario(scenario, options) for scenario in scenarios))


# --- the work -------------------------------------------------------------------------------------


@dataclass
class _File:
    """One file of the run: its scenarios, and what is known of each of them so far."""

    path: str
    cache: ResultCache | None
    scenarios: list[Scenario]
    page: bytes | None = None
    #: What there is instead of scenarios: reports from the cache, or of the file's own fault.
    whole: tuple[ScenarioReport, ...] | None = None
    keys: list[bytes | None] = field(init=False)
    found: list[ScenarioReport | None] = field(init=False)

    def __post_init__(self) -> None:
        cache = self.cache
        self.keys = [cache.key_of(one) if cache else None for one in self.scenarios]
        self.found = [
            cache.recall(one, key) if cache else None
            for one, key in zip(self.scenarios, self.keys, strict=True)
        ]

    def missing(self) -> list[int]:
        return [position for position, report in enumerate(self.found) if report is None]

    def finish(self) -> None:
        """Keep the page where there is a cache, and let go of the scenarios: all is known."""
        if self.scenarios and self.cache is not None:
            found = list(zip(self.scenarios, self.keys, self.reports(), strict=True))
            self.cache.keep_file(Path(self.path), self.page, found)
        self.scenarios = []

    def reports(self) -> Iterator[ScenarioReport]:
        yield from self.whole if self.whole is not None else ()
        yield from (report for report in self.found if report is not None)


@dataclass(frozen=True, slots=True)
class _Waiting(Sequence[Scenario]):
    """The scenarios to be run: their files hold them, and let go of them when they are done."""

    tasks: Sequence[tuple[_File, int]]

    def __len__(self) -> int:
        return len(self.tasks)

    @overload
    def __getitem__(self, number: int) -> Scenario: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Scenario]: ...
    def __getitem__(self, number: int | slice) -> Scenario | Sequence[Scenario]:
        if isinstance(number, slice):
            return _Waiting(self.tasks[number])
        file, position = self.tasks[number]
        return file.scenarios[position]


def _read_all(
    paths: Sequence[Path], cache: ResultCache | None, dispatcher: Dispatcher, least_models: int = 2
) -> list[_File]:
    """Read what the cache does not know already; those who will do the work prepare meanwhile."""
    files: list[_File] = []
    missing = 0
    for path in paths:
        files.append(_read(path, cache, least_models))
        missing += len(files[-1].missing())
        dispatcher.prepare(missing)
    return files


def _read(path: Path, cache: ResultCache | None, least_models: int) -> _File:
    started = time.perf_counter()
    page = cache.page_of(path) if cache else None
    recalled = cache.recall_file(path, page) if cache else None
    if recalled is not None:
        return _File(str(path), cache, [], whole=recalled)
    # Only now: what checks a scenario takes longer to import than an unchanged one to be told.
    from layerlens.scenario.reading.scenarios import read_scenarios

    try:
        scenarios = list(read_scenarios(path, least_models=least_models))
    except LayerlensError as error:
        fault = at_fault(str(path), path.stem, error, None, started)
        return _File(str(path), cache, [], whole=(fault,))
    return _File(str(path), cache, scenarios, page)


def _run_all(
    files: Sequence[_File],
    dispatcher: Dispatcher,
    progress: Listener | None,
    cache: ResultCache | None,
) -> None:
    """Run what is missing, keep each result as soon as there is one, and nothing for longer."""
    tasks = [(file, position) for file in files for position in file.missing()]
    scenarios = _Waiting(tasks)
    done = 0
    for file in files:
        if not file.missing():
            file.finish()

    def begun(number: int) -> None:
        if progress:
            progress(Progress(done, len(tasks), scenarios[number].title))

    for number, report in dispatcher.run(scenarios, begun):
        done += 1
        file, position = tasks[number]
        file.found[position] = report
        if cache is not None:
            cache.keep(file.scenarios[position], file.keys[position], report)
        if not file.missing():
            file.finish()


def _saved_as_scenario(path: str) -> Scenario:
    name = Path(path).stem
    model = ModelSpec(name, "file", file=path)
    return Scenario(path, Path(path).name, (model,), name)


def report_of(scenarios: tuple[ScenarioReport, ...]) -> Report:
    """Return the report of scenarios that were run."""
    statuses = {one.status for one in scenarios}
    status: Status = "error" if "error" in statuses else "fail" if "fail" in statuses else "pass"
    return Report(own_version(), describe_environment(), status, scenarios)
