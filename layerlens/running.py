"""The story: paths become scenarios, models, verdicts, and one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerlens.errors import Fault, LayerlensError, ScenarioError
from layerlens.expecting import check_expectations
from layerlens.options import RunOptions
from layerlens.reading import find_scenario_files, read_scenarios
from layerlens.report import (
    Environment,
    ErrorRow,
    FitRow,
    ModelReport,
    PairReport,
    Report,
    ScenarioReport,
    Status,
)
from layerlens.scenario import ModelSpec, Scenario

if TYPE_CHECKING:
    from layerlens.building import Built, Refused


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `done` of `total` scenarios, and the one that is next."""

    done: int
    total: int
    title: str


Listener = Callable[[Progress], None]


def compare_paths(
    paths: Sequence[str | Path], options: RunOptions, progress: Listener | None = None
) -> Report:
    """Read, build, carry over, probe, judge and report every scenario under the paths.

    A scenario at fault is reported and does not keep the others from running. Raises UsageError
    where a path leads to no scenario.
    """
    read, failed = _read_all(paths)
    ran = _each(read, lambda scenario: run_scenario(scenario, options), progress)
    return _report(_in_order(paths, ran, failed))


def compare_scenarios(scenarios: Sequence[Scenario], options: RunOptions) -> Report:
    """Run scenarios that are at hand already."""
    return _report(tuple(run_scenario(scenario, options) for scenario in scenarios))


def summarize_scenarios(scenarios: Sequence[Scenario], options: RunOptions) -> Report:
    """Report the layer tables of scenarios that are at hand already."""
    return _report(tuple(summarize_scenario(scenario, options) for scenario in scenarios))


def _each(
    scenarios: Sequence[Scenario],
    work: Callable[[Scenario], ScenarioReport],
    progress: Listener | None,
) -> list[ScenarioReport]:
    done = []
    for position, scenario in enumerate(scenarios):
        if progress:
            progress(Progress(position, len(scenarios), scenario.title))
        done.append(work(scenario))
    return done


def run_scenario(scenario: Scenario, options: RunOptions) -> ScenarioReport:
    """Run one scenario (or one cell of its matrix) from its description to its expectations."""
    started = time.perf_counter()
    from layerlens.backend import without_collection

    try:
        with without_collection():
            models, pairs, fit = _run(scenario, options)
    except LayerlensError as error:
        return _at_fault(scenario.path, scenario.title, error, scenario.cell, started)
    expectations = check_expectations(scenario, models, pairs, fit, options.expect)
    held = all(row.held for row in expectations)
    return ScenarioReport(
        path=scenario.path,
        title=scenario.title,
        question=scenario.question,
        cell=dict(scenario.cell) if scenario.cell is not None else None,
        status="pass" if held else "fail",
        seconds=time.perf_counter() - started,
        models=models,
        pairs=pairs,
        fit=fit,
        expectations=expectations,
    )


def _run(
    scenario: Scenario, options: RunOptions
) -> tuple[tuple[ModelReport, ...], tuple[PairReport, ...], tuple[FitRow, ...]]:
    from layerlens.building import Built, build_model
    from layerlens.deciding import Pair, decide
    from layerlens.lending import lent
    from layerlens.nudging import nudged

    built = build_models(scenario, options)
    doubles: dict[str, Built | Refused] = {}

    def in_float64(model: Built) -> Built | Refused:
        name = model.spec.name
        if name not in doubles:
            doubles[name] = _build(scenario, name, options, precision="float64")
        return doubles[name]

    def with_nudged_constants(model: Built) -> Built | None:
        moved = nudged(model.spec)
        if moved is None:
            return None
        twin = build_model(
            moved,
            model.inputs,
            precision="float64",
            memory_limit=options.memory_limit,
            seed=options.seed,
            allow_code=options.allow_code,
        )
        return twin if isinstance(twin, Built) else None

    decisions = []
    for candidate in scenario.candidates:
        for mode in scenario.modes:
            sides = built[scenario.reference], built[candidate.name]
            pair = Pair(scenario, *sides, mode, options.seed, in_float64, with_nudged_constants)
            with lent(*sides):
                decisions.append(decide(pair))
    fit = _fit(scenario, built, in_float64, options) if scenario.fit else ()
    refused = {d.refusal.model: d.refusal.error for d in decisions if d.refusal is not None}
    models = tuple(
        replace(one.report, error=one.report.error or refused.get(name))
        for name, one in built.items()
    )
    return models, tuple(decision.report for decision in decisions), fit


def _fit(
    scenario: Scenario,
    built: dict[str, Built | Refused],
    in_float64: Callable[[Built], Built | Refused],
    options: RunOptions,
) -> tuple[FitRow, ...]:
    from layerlens.fitting import fit_models

    assert scenario.fit is not None
    return fit_models(
        built,
        scenario.reference,
        scenario.fit,
        seed=options.seed,
        transfer=scenario.transfer,
        in_float64=in_float64,
    )


def build_models(
    scenario: Scenario, options: RunOptions, *, allocate: bool = True
) -> dict[str, Built | Refused]:
    """Build every model of a scenario, in the order of the file."""
    return {
        model.name: _build(scenario, model.name, options, allocate=allocate)
        for model in scenario.models
    }


def _build(scenario: Scenario, name: str, options: RunOptions, **how: Any) -> Built | Refused:
    from layerlens.building import build_model

    model = scenario.model(name)
    return build_model(
        model,
        scenario.inputs_of(model),
        memory_limit=options.memory_limit,
        seed=options.seed,
        allow_code=options.allow_code,
        **how,
    )


def summarize_paths(
    paths: Sequence[str | Path], options: RunOptions, progress: Listener | None = None
) -> Report:
    """Report the layer tables of scenarios and saved models; nothing is run or allocated."""
    given = [str(path) for path in paths]
    saved = [path for path in given if Path(path).suffix in SAVED_SUFFIXES]
    others = [path for path in given if path not in saved]
    read, failed = _read_all(others, least_models=1) if others or not given else ([], [])
    read.extend(_saved_as_scenario(path) for path in saved)
    ran = _each(read, lambda scenario: summarize_scenario(scenario, options), progress)
    return _report(_in_order(others, ran, failed))


#: What Keras saves whole models as.
SAVED_SUFFIXES = (".keras", ".h5", ".hdf5", ".json")


def _saved_as_scenario(path: str) -> Scenario:
    name = Path(path).stem
    model = ModelSpec(name, "file", file=path)
    return Scenario(path, Path(path).name, (model,), name)


def summarize_scenario(scenario: Scenario, options: RunOptions) -> ScenarioReport:
    """Build every model without its weights, and report the tables."""
    started = time.perf_counter()
    try:
        built = build_models(scenario, options, allocate=False)
    except LayerlensError as error:
        return _at_fault(scenario.path, scenario.title, error, scenario.cell, started)
    return ScenarioReport(
        path=scenario.path,
        title=scenario.title,
        question=scenario.question,
        cell=dict(scenario.cell) if scenario.cell is not None else None,
        status="pass",
        seconds=time.perf_counter() - started,
        models=tuple(one.report for one in built.values()),
    )


# --- the report -----------------------------------------------------------------------------------


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
            failed.append(_at_fault(str(path), None, error, None, started))
    return read, failed


def _in_order(
    paths: Sequence[str | Path], ran: list[ScenarioReport], failed: list[ScenarioReport]
) -> tuple[ScenarioReport, ...]:
    files = find_scenario_files([str(path) for path in paths]) if paths else ()
    position = {str(path): place for place, path in enumerate(files)}
    return tuple(sorted([*ran, *failed], key=lambda one: position.get(one.path, len(position))))


def _at_fault(
    path: str, title: str | None, error: LayerlensError, cell: Any, started: float
) -> ScenarioReport:
    faults = (
        error.faults
        if isinstance(error, ScenarioError)
        else (Fault(error.message, error.where, error.hint),)
    )
    return ScenarioReport(
        path=path,
        title=title,
        cell=dict(cell) if cell is not None else None,
        status="error",
        seconds=time.perf_counter() - started,
        errors=tuple(_error_row(fault, path) for fault in faults),
    )


def _error_row(fault: Fault, path: str) -> ErrorRow:
    where = fault.where
    return ErrorRow(
        message=fault.message,
        file=where.file if where else path,
        line=where.line if where else None,
        column=where.column if where else None,
        hint=fault.hint,
    )


def _report(scenarios: tuple[ScenarioReport, ...]) -> Report:
    statuses = {one.status for one in scenarios}
    status: Status = "error" if "error" in statuses else "fail" if "fail" in statuses else "pass"
    return Report(version("layerlens"), _environment(scenarios), status, scenarios)


def _environment(scenarios: Sequence[ScenarioReport]) -> Environment:
    from layerlens.backend import describe_environment

    return describe_environment()
