"""The story: paths become scenarios, each is tried, and one report tells what came out."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from layerlens.errors import LayerlensError
from layerlens.options import RunOptions
from layerlens.reading import find_scenario_files, read_scenarios
from layerlens.report import Report, ScenarioReport, Status
from layerlens.scenario import ModelSpec, Scenario
from layerlens.trying import ScriptListener, at_fault, run_scenario, summarize_scenario

#: What Keras saves whole models as.
SAVED_SUFFIXES = (".keras", ".h5", ".hdf5", ".json")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `done` of `total` scenarios, and the one that is next."""

    done: int
    total: int
    title: str


Listener = Callable[[Progress], None]
Work = Callable[[Scenario], ScenarioReport]


def compare_paths(
    paths: Sequence[str | Path],
    options: RunOptions,
    progress: Listener | None = None,
    on_script: ScriptListener | None = None,
) -> Report:
    """Read, build, carry over, probe, judge and report every scenario under the paths.

    A scenario at fault is reported and does not keep the others from running. `on_script` is
    given a stand-alone script for every pair that has a difference to show; it keeps the work in
    this process. Raises UsageError where a path leads to no scenario.
    """
    read, failed = _read_all(paths)
    if on_script is None:
        work: Work = partial(run_scenario, options=options)
        ran = list(_each(read, work, progress, options.jobs))
    else:
        work = partial(run_scenario, options=options, on_script=on_script)
        ran = list(_each(read, work, progress, jobs=1))
    return _report(_in_order(paths, ran, failed))


def compare_scenarios(scenarios: Sequence[Scenario], options: RunOptions) -> Report:
    """Run scenarios that are at hand already."""
    return _report(tuple(run_scenario(scenario, options) for scenario in scenarios))


def summarize_paths(
    paths: Sequence[str | Path], options: RunOptions, progress: Listener | None = None
) -> Report:
    """Report the layer tables of scenarios and saved models; nothing is run or allocated."""
    given = [str(path) for path in paths]
    saved = [path for path in given if Path(path).suffix in SAVED_SUFFIXES]
    others = [path for path in given if path not in saved]
    read, failed = _read_all(others, least_models=1) if others or not given else ([], [])
    read.extend(_saved_as_scenario(path) for path in saved)
    ran = list(_each(read, partial(summarize_scenario, options=options), progress, jobs=1))
    return _report(_in_order(others, ran, failed))


def summarize_scenarios(scenarios: Sequence[Scenario], options: RunOptions) -> Report:
    """Report the layer tables of scenarios that are at hand already."""
    return _report(tuple(summarize_scenario(scenario, options) for scenario in scenarios))


# --- the work -------------------------------------------------------------------------------------


def _each(
    scenarios: Sequence[Scenario], work: Work, progress: Listener | None, jobs: int
) -> Iterator[ScenarioReport]:
    """Do the work on each scenario, in `jobs` processes at once; results come in order."""
    if jobs <= 1 or len(scenarios) < 2:
        results = map(work, scenarios)
        yield from _followed(results, scenarios, progress)
        return
    # Spawned, because TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(scenarios)), mp_context=context)
    try:
        yield from _followed(pool.map(work, scenarios), scenarios, progress)
    finally:
        pool.shutdown(cancel_futures=True)


def _followed(
    results: Iterator[ScenarioReport], scenarios: Sequence[Scenario], progress: Listener | None
) -> Iterator[ScenarioReport]:
    for position, scenario in enumerate(scenarios):
        if progress:
            progress(Progress(position, len(scenarios), scenario.title))
        yield next(results)


def _saved_as_scenario(path: str) -> Scenario:
    name = Path(path).stem
    model = ModelSpec(name, "file", file=path)
    return Scenario(path, Path(path).name, (model,), name)


def _read_all(
    paths: Sequence[str | Path], least_models: int = 2
) -> tuple[list[Scenario], list[ScenarioReport]]:
    read: list[Scenario] = []
    failed: list[ScenarioReport] = []
    for path in find_scenario_files([str(path) for path in paths]):
        started = time.perf_counter()
        try:
            read.extend(read_scenarios(path, least_models=least_models))
        except LayerlensError as error:
            failed.append(at_fault(str(path), None, error, None, started))
    return read, failed


# --- the report -----------------------------------------------------------------------------------


def _in_order(
    paths: Sequence[str | Path], ran: list[ScenarioReport], failed: list[ScenarioReport]
) -> tuple[ScenarioReport, ...]:
    files = find_scenario_files([str(path) for path in paths]) if paths else ()
    position = {str(path): place for place, path in enumerate(files)}
    return tuple(sorted([*ran, *failed], key=lambda one: position.get(one.path, len(position))))


def _report(scenarios: tuple[ScenarioReport, ...]) -> Report:
    from layerlens.backend import describe_environment

    statuses = {one.status for one in scenarios}
    status: Status = "error" if "error" in statuses else "fail" if "fail" in statuses else "pass"
    return Report(version("layerlens"), describe_environment(), status, scenarios)
