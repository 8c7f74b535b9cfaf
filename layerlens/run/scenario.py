"""Run or summarize one scenario."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from layerlens.errors import LayerlensError
from layerlens.models.backend import global_settings
from layerlens.models.backend.start import drop_kernels, start_backend, without_collection
from layerlens.plain import stage
from layerlens.report.pairs import ScriptListener
from layerlens.report.run import ScenarioReport, status_of
from layerlens.run.expectations import check_expectations
from layerlens.run.faults import failure_report, fault_report
from layerlens.run.known import Planned, Stage, Tell, pairs_of, untold
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario

if TYPE_CHECKING:
    from layerlens.run.trial import Trial


@global_settings.preserving_settings
def run_scenario(
    scenario: Scenario,
    options: RunOptions,
    on_script: ScriptListener | None = None,
    tell: Tell = untold,
) -> ScenarioReport:
    """Compare the models of one scenario and check its expectations.

    Faults of the scenario and internal errors are reported, not raised. `on_script` receives a
    stand-alone script for every pair with a difference to show; `tell` receives what becomes known
    meanwhile.
    """
    tell(Planned(scenario.reference, tuple(pairs_of(scenario))))

    def run(trial: Trial, report: ScenarioReport) -> ScenarioReport:
        models, pairs, fit, diffs = trial.run()
        expectations = check_expectations(
            scenario, models, pairs, fit, options.expect, strict=options.strict
        )
        return replace(
            report,
            status=status_of(expectations),
            models=models,
            pairs=pairs,
            fit=fit,
            expectations=expectations,
            diffs=diffs,
        )

    return _run_trial(scenario, options, run, on_script, tell)


@global_settings.preserving_settings
def summarize_scenario(
    scenario: Scenario, options: RunOptions, tell: Tell = untold
) -> ScenarioReport:
    """Build every model without its weights, and return the layer tables.

    With the options for step dependence or graph sizes, models get weights and run.
    """

    def summarize(trial: Trial, report: ScenarioReport) -> ScenarioReport:
        models, diffs = trial.summarize()
        return replace(report, models=models, diffs=diffs)

    return _run_trial(scenario, options, summarize, None, tell)


def _run_trial(
    scenario: Scenario,
    options: RunOptions,
    work: Callable[[Trial, ScenarioReport], ScenarioReport],
    on_script: ScriptListener | None,
    tell: Tell,
) -> ScenarioReport:
    """Start Keras and do the work; return a report of any exception."""
    started = time.perf_counter()
    report = ScenarioReport(
        path=scenario.path,
        title=scenario.title,
        question=scenario.question,
        answer=scenario.answer,
        cell=dict(scenario.cell) if scenario.cell is not None else None,
        status="unchecked",
        seconds=0.0,
    )
    try:
        from layerlens.models.external.refusals import refuse_before_start
        from layerlens.models.external.start import StartedProcesses

        refuse_before_start(scenario, options)
        tell(Stage("starting Keras"))
        with closing(StartedProcesses(scenario.models, options.max_memory)) as processes:
            start_backend()
            from layerlens.run.trial import Trial

            # The report has Keras' warnings: masks in the layer table, the others in the verdicts.
            heard = stage.telling(lambda text: tell(Stage(text)))
            with without_collection(), warnings.catch_warnings(), heard:
                warnings.simplefilter("ignore")
                with closing(Trial(scenario, options, on_script, tell, processes)) as trial:
                    report = work(trial, report)
        drop_kernels()
    except LayerlensError as error:
        return fault_report(scenario.path, scenario.title, error, scenario.cell, started)
    except Exception as error:  # reported here, so that the other scenarios still run
        return failure_report(scenario, error, started)
    return replace(report, seconds=time.perf_counter() - started)
