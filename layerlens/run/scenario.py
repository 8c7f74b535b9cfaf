"""Run one scenario: build, decide on every pair, train, check expectations."""

from __future__ import annotations

import os
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerlens.errors import (
    Fault,
    LayerlensError,
    MemoryLimitError,
    ScenarioError,
    UnsafeCodeError,
)
from layerlens.models.build import global_settings
from layerlens.models.build.exhaustion import exhausted
from layerlens.report.run import ErrorRow, ScenarioReport
from layerlens.run.blame import user_frame

if TYPE_CHECKING:
    from layerlens.dependence.measure import ModelDependence
    from layerlens.explain.pair_report import ReportedPair
    from layerlens.explain.repair import Mending
    from layerlens.models.build.constants import Change
    from layerlens.models.build.request import Built, Refused
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import ModelReport
    from layerlens.report.pairs import PairReport
    from layerlens.report.training import FitRow
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import ModelSpec, Scenario
    from layerlens.vocabulary import Mode

#: What comes of a scenario: its models, pairs, trainings, and the models lined up.
Result = tuple[
    tuple["ModelReport", ...],
    tuple["PairReport", ...],
    tuple["FitRow", ...],
    tuple["ModelsDiff", ...],
]
#: Takes the stand-alone script that shows what a pair's verdict says.
ScriptListener = Callable[["PairReport", str], None]

#: Weights of so many bytes take a while to make, and may be more than comparing has room for.
_LARGE_BYTES = 256 * 1024**2

#: Verdicts on two models that are no equal functions, and might be made so.
_MENDABLE = ("different", "shape_mismatch", "param_mismatch")


@global_settings.keeping
def run_scenario(
    scenario: Scenario, options: RunOptions, on_script: ScriptListener | None = None
) -> ScenarioReport:
    """Run one scenario (or one cell of its matrix) from its description to its expectations.

    What goes wrong is part of the report: the scenario's own faults, and a fault of layerlens.
    `on_script` is given a stand-alone script for every pair that has a difference to show.
    """
    from layerlens.models.build.tensorflow import drop_kernels, without_collection

    started = time.perf_counter()
    try:
        # What Keras warns of on the way is in the report: masks in the layer table, the rest in
        # the verdicts.
        with without_collection(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = Trial(scenario, options, on_script).run()
        drop_kernels()
    except LayerlensError as error:
        return at_fault(scenario.path, scenario.title, error, scenario.cell, started)
    except Exception as error:  # told here, so that the others still run
        return _unexpected(scenario, error, started)
    models, pairs, fit, diffs = result
    from layerlens.run.expectations import check_expectations

    expectations = check_expectations(scenario, models, pairs, fit, options.expect)
    return ScenarioReport(
        path=scenario.path,
        title=scenario.title,
        question=scenario.question,
        cell=dict(scenario.cell) if scenario.cell is not None else None,
        status="pass" if all(row.held for row in expectations) else "fail",
        seconds=time.perf_counter() - started,
        models=models,
        pairs=pairs,
        fit=fit,
        expectations=expectations,
        diffs=diffs,
    )


@dataclass
class Trial:
    """The work on one scenario; models and their float64 forms are built once."""

    scenario: Scenario
    options: RunOptions
    on_script: ScriptListener | None = None
    _doubles: dict[str, Built | Refused] = field(default_factory=dict)
    #: What was measured of steps, by model and by whether it was in training.
    _dependences: dict[tuple[str, bool], ModelDependence] = field(default_factory=dict)

    def run(self) -> Result:
        built = self._built()
        decisions = self.decide(built)
        fit = self._fit(built) if self.scenario.fit else ()
        refused = {d.refusal.model: d.refusal.error for d in decisions if d.refusal is not None}
        reports = tuple(one.report for one in built.values())
        ops = {name: size for d in decisions for name, size in d.graph_ops.items()}
        models = tuple(
            replace(
                report,
                error=report.error or refused.get(report.name),
                graph_ops=ops.get(report.name),
            )
            for report in reports
        )
        from layerlens.explain.align_layers import line_up_all

        if self.options.graph:
            models = tuple(_with_graph_sizes(model, built[model.name]) for model in models)
        seen = {
            mode: self._with_steps(models, mode, decisions, built) for mode in self.scenario.modes
        }
        models = seen[self._main_mode]
        diffs = line_up_all(models, self.scenario.reference)
        pairs = tuple(self._concluded(d, seen[d.report.mode], diffs, built) for d in decisions)
        return models, pairs, fit, diffs

    def _built(self) -> dict[str, Built | Refused]:
        """Build every model; large ones only to be run, once it is known that there is room."""
        from layerlens.comparison.verdict import has_to_run
        from layerlens.models.build.request import Built

        built = build_models(self.scenario, self.options, at_most=_LARGE_BYTES)
        drafted = {
            name for name, one in built.items() if isinstance(one, Built) and not one.allocated
        }
        if not drafted:
            return built
        needed = (
            set(built) if self.scenario.fit or self.options.deps or self.options.graph else set()
        )
        reference = self.scenario.reference
        for candidate in self.scenario.candidates:
            sides = built[reference], built[candidate.name]
            if has_to_run(*sides, self.scenario.transfer):
                needed |= {reference, candidate.name}
        wanted = [name for name in built if name in drafted & needed]
        self._refuse_beyond_memory([built[name] for name in wanted])
        fed_as = input_names(built[reference])
        made = {
            name: _build(
                self.scenario,
                self.scenario.model(name),
                self.options,
                fed_as=() if name == reference else fed_as,
            )
            for name in wanted
        }
        return {**built, **made}

    def _refuse_beyond_memory(self, drafts: list[Built | Refused]) -> None:
        from layerlens.models.build.memory import refuse_beyond_memory, weight_bytes
        from layerlens.models.build.request import Built

        held = 0
        for draft in drafts:
            assert isinstance(draft, Built)
            name, where, limit = draft.spec.name, draft.spec.where, self.options.memory_limit
            refuse_beyond_memory(draft.model, name, limit, where, beside=held)
            held += weight_bytes(draft.model)

    def decide(self, built: dict[str, Built | Refused]) -> list[ReportedPair]:
        """Decide every pair in every mode, in the order of the file."""
        return [
            self._decide(built, candidate.name, mode)
            for candidate in self.scenario.candidates
            for mode in self.scenario.modes
        ]

    def _concluded(
        self,
        decision: ReportedPair,
        models: tuple[ModelReport, ...],
        diffs: tuple[ModelsDiff, ...],
        built: dict[str, Built | Refused],
    ) -> PairReport:
        """Say why a pair came to its verdict; where it is asked for, try what would mend it."""
        from layerlens.explain.why_sentences import Findings, conclude

        pair = decision.report
        sides = {model.name: model for model in models}
        diff = next(one for one in diffs if one.candidate == pair.candidate)
        mending = self._mended(pair, diff, built) if self.options.explain else None
        # A model that fails when it is called in one mode or beside one model may run otherwise.
        failed = decision.refusal
        both = [
            replace(
                sides[name],
                error=failed.error
                if failed is not None and failed.model == name
                else built[name].report.error,
            )
            for name in (pair.reference, pair.candidate)
        ]
        findings = Findings(
            mending,
            decision.divergence,
            decision.losses,
            tolerant=self.scenario.tolerance is not None,
            several_modes=len(self.scenario.modes) > 1,
        )
        why = conclude(both[0], both[1], pair, diff, findings)
        return replace(pair, why=why)

    def _mended(
        self, pair: PairReport, diff: ModelsDiff, built: dict[str, Built | Refused]
    ) -> Mending | None:
        """Try what would make a pair agree, and judge each trial as the pair itself was."""
        from layerlens.explain.repair import mend
        from layerlens.models.build.request import Built

        reference, candidate = built[pair.reference], built[pair.candidate]
        if pair.verdict not in _MENDABLE or pair.mode != "inference":
            return None
        if not isinstance(reference, Built) or not reference.allocated:
            return None
        return mend(
            self.scenario.model(pair.reference),
            self.scenario.model(pair.candidate),
            candidate.report,
            diff,
            lambda spec: self._judged(spec, reference, pair.mode),
        )

    def _judged(self, spec: ModelSpec, reference: Built, mode: Mode) -> PairReport | None:
        """Judge the reference against a changed candidate; None where that cannot be done.

        Builder and judge say by these errors that a model asks for what it does not have, or for
        more memory than there is: of a candidate that was only tried, that is no fault of the file.
        """
        name = reference.spec.name
        scenario = replace(self.scenario, models=(self.scenario.model(name), spec))
        trial = Trial(scenario, replace(self.options, explain=False))
        trial._doubles[name] = self.in_float64(reference)
        try:
            candidate = _build(scenario, spec, self.options, fed_as=input_names(reference))
            both = {name: reference, spec.name: candidate}
            return trial._decide(both, spec.name, mode, shows=False).report
        except (ScenarioError, MemoryLimitError, UnsafeCodeError):
            return None

    def reports(self, built: dict[str, Built | Refused]) -> tuple[ModelReport, ...]:
        """Return the models' reports, with what was measured of steps where it was asked for."""
        reports = tuple(one.report for one in built.values())
        return self._with_mixes(reports, self._main_mode, built) if self.options.deps else reports

    def _with_steps(
        self,
        models: tuple[ModelReport, ...],
        mode: Mode,
        decisions: list[ReportedPair],
        built: dict[str, Built | Refused],
    ) -> tuple[ModelReport, ...]:
        """Return the models with what was measured of their steps in one mode."""
        if self.options.deps:
            return self._with_mixes(models, mode, built)
        # What a report tells of steps is of one mode; what a pair's conclusion tells is of its own.
        of_pairs = [
            decision.report.candidate
            for decision in decisions
            if decision.report.verdict in _MENDABLE
            and (mode == self._main_mode or decision.report.mode == mode)
        ]
        return self._with_steps_apart(models, mode, list(dict.fromkeys(of_pairs)), built)

    def _with_mixes(
        self, models: tuple[ModelReport, ...], mode: Mode, built: dict[str, Built | Refused]
    ) -> tuple[ModelReport, ...]:
        """Return the models with what was measured of their layers' steps, in float64 if it can be.

        Where a model acts alike in both modes, they are measured once.
        """
        from layerlens.dependence.measure import acts_by_mode, measure_dependence, with_mixes
        from layerlens.models.build.request import Built
        from layerlens.models.execute.running_memory import running_beyond_memory

        found = []
        for model in models:
            one = built[model.name]
            if not isinstance(one, Built):
                found.append(model)
                continue
            error = running_beyond_memory("measuring the steps of", one)
            if error is not None:
                raise error
            training = mode == "training" and acts_by_mode(one)
            key = model.name, training
            if key not in self._dependences:
                twin = self.in_float64(one)
                self._dependences[key] = measure_dependence(
                    twin if isinstance(twin, Built) else one,
                    seed=self.options.seed,
                    features=self.options.features,
                    training=training,
                )
            found.append(with_mixes(model, self._dependences[key]))
        return tuple(found)

    def _with_steps_apart(
        self,
        models: tuple[ModelReport, ...],
        mode: Mode,
        candidates: list[str],
        built: dict[str, Built | Refused],
    ) -> tuple[ModelReport, ...]:
        """Tell how models see steps where they are no equal functions, and do not see alike."""
        from layerlens.dependence.contrast import Sights
        from layerlens.dependence.measure import Dependence, with_whole
        from layerlens.models.build.request import Built

        sights = Sights(self.options.seed, mode == "training")
        found: dict[str, Dependence] = {}
        for candidate in candidates:
            both = [self._best_of(built[name]) for name in (self.scenario.reference, candidate)]
            reference, other = both
            if not (isinstance(reference, Built) and isinstance(other, Built)):
                continue
            if not (reference.allocated and other.allocated):
                continue
            seen = sights.apart(reference, other)
            if seen is not None:
                found[self.scenario.reference], found[candidate] = seen
        return tuple(
            with_whole(model, found[model.name]) if model.name in found else model
            for model in models
        )

    @property
    def _main_mode(self) -> Mode:
        """The mode of which the models' own rows tell."""
        return "inference" if "inference" in self.scenario.modes else "training"

    def _best_of(self, model: Built | Refused) -> Built | Refused:
        """Return the model in float64 where there is such a form already."""
        from layerlens.models.build.request import Built

        twin = self._doubles.get(model.spec.name)
        return twin if isinstance(twin, Built) else model

    def _decide(
        self, built: dict[str, Built | Refused], candidate: str, mode: Mode, *, shows: bool = True
    ) -> ReportedPair:
        from layerlens.comparison.verdict import Pair, decide
        from layerlens.explain.pair_report import report_pair
        from layerlens.models.execute.runner import lent

        sides = built[self.scenario.reference], built[candidate]
        pair = Pair(
            self.scenario,
            *sides,
            mode,
            self.options.seed,
            self.in_float64,
            self._with_numbers,
            shows,
        )
        with lent(*sides):
            decision = report_pair(decide(pair))
            if self.on_script is not None:
                self._write_script(decision, sides)
        return decision

    def _write_script(
        self, decision: ReportedPair, sides: tuple[Built | Refused, Built | Refused]
    ) -> None:
        from layerlens.explain.script import script_of

        script = script_of(
            self.scenario,
            decision.report,
            *sides,
            check=decision.check,
            called=decision.refusal or decision.surprise,
        )
        if script is not None and self.on_script is not None:
            self.on_script(decision.report, script)

    def in_float64(self, model: Built) -> Built | Refused:
        name = model.spec.name
        if name not in self._doubles:
            self._doubles[name] = _build(
                self.scenario,
                self.scenario.model(name),
                self.options,
                precision="float64",
                fed_as=model.input_names,
            )
        return self._doubles[name]

    def _with_numbers(self, model: Built, change: Change) -> Built | None:
        """Build a model in float64 with other numbers in its configuration, where it has any."""
        from layerlens.models.build.constants import with_numbers
        from layerlens.models.build.request import Built

        how: dict[str, Any] = {"precision": "float64", "fed_as": model.input_names}
        spec = model.spec
        if spec.form in ("layers", "graph"):
            changed = with_numbers(spec, change)
            if changed is None:
                return None
            spec = changed
        else:
            how["numbers"] = change
        twin = _build(self.scenario, spec, self.options, **how)
        return twin if isinstance(twin, Built) and twin.precision == "float64" else None

    def _fit(self, built: dict[str, Built | Refused]) -> tuple[FitRow, ...]:
        from layerlens.comparison.fit import fit_models

        assert self.scenario.fit is not None
        return fit_models(
            built,
            self.scenario.reference,
            self.scenario.fit,
            seed=self.options.seed,
            transfer=self.scenario.transfer,
            in_float64=self.in_float64,
        )


def build_models(
    scenario: Scenario,
    options: RunOptions,
    *,
    allocate: bool = True,
    at_most: int | None = None,
    feeds_alike: bool = True,
) -> dict[str, Built | Refused]:
    """Build every model of a scenario, in the order of the file.

    Models whose inputs have the names of the reference's take them in the reference's order, unless
    `feeds_alike` is false.
    """
    how = {"allocate": allocate, "at_most": at_most}
    reference = _build(scenario, scenario.model(scenario.reference), options, **how)
    fed_as = input_names(reference) if feeds_alike else ()
    return {
        model.name: reference
        if model.name == scenario.reference
        else _build(scenario, model, options, fed_as=fed_as, **how)
        for model in scenario.models
    }


def input_names(built: Built | Refused) -> tuple[str, ...]:
    """Return what a model calls its inputs, in the order in which it is fed; none if refused."""
    from layerlens.models.build.request import Built

    return built.input_names if isinstance(built, Built) else ()


def _build(
    scenario: Scenario, model: ModelSpec, options: RunOptions, **how: Any
) -> Built | Refused:
    from layerlens.models.build_model import build_model

    return build_model(
        model,
        scenario.inputs_of(model),
        memory_limit=options.memory_limit,
        seed=options.seed,
        allow_code=options.allow_code,
        **how,
    )


@global_settings.keeping
def summarize_scenario(scenario: Scenario, options: RunOptions) -> ScenarioReport:
    """Build every model without its weights, and report the tables.

    Where dependences or the sizes of graphs are asked for, the models get weights and are run.
    """
    from layerlens.explain.align_layers import line_up_all
    from layerlens.models.build.tensorflow import without_collection

    started = time.perf_counter()
    try:
        if options.deps or options.graph:
            with without_collection(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reports = _measured_reports(scenario, options)
        else:
            built = build_models(scenario, options, allocate=False)
            reports = tuple(one.report for one in built.values())
        diffs = line_up_all(reports, scenario.reference)
    except LayerlensError as error:
        return at_fault(scenario.path, scenario.title, error, scenario.cell, started)
    except Exception as error:  # told here, so that the others still run
        return _unexpected(scenario, error, started)
    return ScenarioReport(
        path=scenario.path,
        title=scenario.title,
        question=scenario.question,
        cell=dict(scenario.cell) if scenario.cell is not None else None,
        status="pass",
        seconds=time.perf_counter() - started,
        models=reports,
        diffs=diffs,
    )


def _measured_reports(scenario: Scenario, options: RunOptions) -> tuple[ModelReport, ...]:
    built = build_models(scenario, options)
    trial = Trial(scenario, options)
    reports = trial.reports(built)
    if options.graph:
        reports = tuple(_with_graph_sizes(one, built[one.name]) for one in reports)
    return reports


def _with_graph_sizes(report: ModelReport, built: Built | Refused) -> ModelReport:
    from layerlens.models.build.request import Built
    from layerlens.models.execute.graph_size import with_graph_sizes

    if not isinstance(built, Built):
        return report
    return with_graph_sizes(report, built)


def at_fault(
    path: str, title: str | None, error: LayerlensError, cell: Any, started: float
) -> ScenarioReport:
    faults = error.faults
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


def _unexpected(scenario: Scenario, error: Exception, started: float) -> ScenarioReport:
    """Report what nobody foresaw: that something ran out, or a fault of layerlens."""
    ran_out = exhausted(error, scenario.path)
    if ran_out is None:
        return _own_fault(scenario, error, started)
    return at_fault(scenario.path, scenario.title, ran_out, scenario.cell, started)


def _own_fault(scenario: Scenario, error: Exception, started: float) -> ScenarioReport:
    if os.environ.get("LAYERLENS_DEBUG"):
        traceback.print_exception(error)
    text = " ".join(str(error).split())[:300]
    theirs = user_frame(error)
    if theirs is not None:
        place = f"`{theirs.name}` ({Path(theirs.filename).name}:{theirs.lineno})"
        message = f"the code of a model fails: {place} raises {type(error).__name__}: {text}"
        hint = "layerlens calls it as Keras does; make it return what Keras documents"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
        message = f"layerlens itself failed here: {type(error).__name__} at {place}: {text}"
        hint = (
            "this is a fault of layerlens: please report it with the scenario; "
            "LAYERLENS_DEBUG=1 prints the traceback"
        )
    row = ErrorRow(message, scenario.path, None, None, hint, internal=theirs is None)
    return ScenarioReport(
        path=scenario.path,
        title=scenario.title,
        cell=dict(scenario.cell) if scenario.cell is not None else None,
        status="error",
        seconds=time.perf_counter() - started,
        errors=(row,),
    )
