"""Run all scenarios under some paths and return one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, overload

from layerlens.errors import (
    LayerlensError,
    RevisionError,
    ScenarioError,
    UnsafeCodeError,
    UsageError,
)
from layerlens.fault_codes import Code
from layerlens.models.backend.start import describe_environment
from layerlens.report.run import ScenarioReport, joint_status
from layerlens.run.faults import fault_report
from layerlens.run.report import Report
from layerlens.run.scenario import run_scenario, summarize_scenario
from layerlens.run.workers.dispatch import Dispatcher
from layerlens.scenario.at_revision import callable_against, refuse_unless_callable
from layerlens.scenario.files import find_scenario_files
from layerlens.scenario.from_arguments import (
    are_models,
    is_model,
    model_as_scenario,
    models_as_scenario,
)
from layerlens.scenario.spec import Scenario
from layerlens.versions import own_version

if TYPE_CHECKING:
    from layerlens.report.pairs import ScriptListener
    from layerlens.run.cache.results import ResultCache
    from layerlens.scenario.options import RunOptions


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run: `done` of `total` scenarios, and the title of the next one."""

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
    """Compare the models of every scenario under the paths, or the models at the paths.

    A scenario at fault is reported, and the others still run.

    Args:
        paths: scenario files and folders of them; or two or more models, the reference first; or
            one callable, with `options.against`.
        options: the options of the run.
        progress: called when a scenario starts.
        on_script: receives a stand-alone script for every pair with a difference to show; every
            scenario then runs in this process, and the cache is not used.
        cache: where known results are read from and new ones stored.
        dispatcher: runs the scenarios and is left open; None creates and closes one.

    Raises:
        UsageError: the only path has no scenario; there is one model alone, or scenarios are among
            models; or `options.weights` does not apply.
    """
    cache = cache if on_script is None else None
    with (
        nullcontext(dispatcher)
        if dispatcher
        else closing(Dispatcher("compare", options, on_script)) as dispatcher
    ):
        arguments = [str(path) for path in paths]
        if options.against is not None:
            files = [_read_against(arguments, options.against, options, cache)]
        elif are_models(arguments):
            files = [_read_models(arguments, options, cache)]
        elif options.weights is not None:
            raise UsageError(
                "--weights applies to models, not to scenarios",
                hint="write `transfer: none` in the scenario to compare models as saved",
                code=Code.MODELS_AND_SCENARIOS,
            )
        else:
            files = _read_all(find_scenario_files(arguments), cache, dispatcher)
        _run_all(files, dispatcher, progress, cache)
    return report_of(tuple(report for file in files for report in file.reports()))


def compare_scenarios(scenarios: Sequence[Scenario], options: RunOptions) -> Report:
    """Compare the models of scenarios that are already read."""
    return report_of(tuple(run_scenario(scenario, options) for scenario in scenarios))


def compare_scenario(
    scenario: Scenario, options: RunOptions, cache: ResultCache | None = None
) -> ScenarioReport:
    """Compare the models of one scenario in this process, or return the cached report."""
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
    """Return the layer tables of scenarios and models; nothing is run or allocated."""
    path_texts = [str(path) for path in paths]
    models = [path for path in path_texts if is_model(path)]
    others = [path for path in path_texts if path not in models]
    found = find_scenario_files(others) if others or not path_texts else ()
    with closing(Dispatcher("summary", options)) as dispatcher:
        files = _read_all(found, cache, dispatcher, least_models=1)
        files += [_read_model(path, cache) for path in models]
        _run_all(files, dispatcher, progress, cache)
    return report_of(tuple(report for file in files for report in file.reports()))


def summarize_scenarios(scenarios: Sequence[Scenario], options: RunOptions) -> Report:
    """Return the layer tables of scenarios that are already read."""
    return report_of(tuple(summarize_scenario(scenario, options) for scenario in scenarios))


# --- the work -------------------------------------------------------------------------------------


@dataclass
class _File:
    """One file of the run: its scenarios and their reports so far."""

    path: str
    cache: ResultCache | None
    scenarios: list[Scenario]
    page: bytes | None = None
    #: Reports without scenarios to run: from the cache, or of a fault of the file.
    final_reports: tuple[ScenarioReport, ...] | None = None
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
        """Return the positions of the scenarios without a report."""
        return [position for position, report in enumerate(self.found) if report is None]

    def finish(self) -> None:
        """Store the file's page in the cache, and release the scenarios."""
        if self.scenarios and self.cache is not None:
            found = list(zip(self.scenarios, self.keys, self.reports(), strict=True))
            self.cache.keep_file(Path(self.path), self.page, found)
        self.scenarios = []

    def reports(self) -> Iterator[ScenarioReport]:
        """Yield the reports of the file in the order of its scenarios."""
        yield from self.final_reports if self.final_reports is not None else ()
        yield from (report for report in self.found if report is not None)


@dataclass(frozen=True, slots=True)
class _Waiting(Sequence[Scenario]):
    """The scenarios to run; they stay in their files, which release them when they are done."""

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
    """Read the files that are not in the cache, while the dispatcher prepares to run them."""
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
    cached_reports = cache.recall_file(path, page) if cache else None
    if cached_reports is not None:
        return _File(str(path), cache, [], final_reports=cached_reports)
    # Imported late: the readers take longer to import than a cached report takes to show.
    from layerlens.scenario.reading.scenarios import read_scenarios

    try:
        scenarios = list(read_scenarios(path, least_models=least_models))
    except LayerlensError as error:
        fault = fault_report(str(path), path.stem, error, None, started)
        return _File(str(path), cache, [], final_reports=(fault,))
    return _File(str(path), cache, scenarios, page)


def _read_models(arguments: Sequence[str], options: RunOptions, cache: ResultCache | None) -> _File:
    """Return the models on the command line as one scenario; --expect applies to all pairs."""
    read = partial(models_as_scenario, arguments, options.expect, options.weights)
    return _as_file(arguments[0], cache, read)


def _read_against(
    arguments: Sequence[str], revision: str, options: RunOptions, cache: ResultCache | None
) -> _File:
    """Return a callable, and the same at a git revision, as one scenario."""
    refuse_unless_callable(arguments, revision)
    if options.weights is not None:
        raise UsageError(
            "--weights applies to models that are named, and not with --against, which gives both "
            "forms of the callable the same weights",
            hint="leave it out",
            code=Code.MODELS_AND_SCENARIOS,
        )
    read = partial(
        callable_against,
        arguments[0],
        revision,
        options.expect,
        allow_code=options.allow_code,
    )
    return _as_file(arguments[0], cache, read)


def _read_model(argument: str, cache: ResultCache | None) -> _File:
    return _as_file(argument, cache, partial(model_as_scenario, argument))


def _as_file(path: str, cache: ResultCache | None, read: Callable[[], Scenario]) -> _File:
    started = time.perf_counter()
    try:
        return _File(path, cache, [read()])
    except (ScenarioError, RevisionError, UnsafeCodeError) as error:
        fault = fault_report(path, None, error, None, started)
        return _File(path, cache, [], final_reports=(fault,))


def _run_all(
    files: Sequence[_File],
    dispatcher: Dispatcher,
    progress: Listener | None,
    cache: ResultCache | None,
) -> None:
    """Run the scenarios without a report, and store each result as soon as it is known."""
    tasks = [(file, position) for file in files for position in file.missing()]
    scenarios = _Waiting(tasks)
    done = 0
    for file in files:
        if not file.missing():
            file.finish()

    def on_start(number: int) -> None:
        if progress:
            progress(Progress(done, len(tasks), scenarios[number].title))

    for number, report in dispatcher.run(scenarios, on_start):
        done += 1
        file, position = tasks[number]
        file.found[position] = report
        if cache is not None:
            cache.keep(file.scenarios[position], file.keys[position], report)
        if not file.missing():
            file.finish()


def report_of(scenarios: tuple[ScenarioReport, ...]) -> Report:
    """Return one report of the given scenarios."""
    status = joint_status(one.status for one in scenarios)
    return Report(own_version(), describe_environment(), status, scenarios)
