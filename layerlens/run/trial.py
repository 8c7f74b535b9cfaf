"""Build the models of one scenario, compare every pair and train; imports Keras."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from layerlens.comparison.fit import fit_models
from layerlens.comparison.pair import Pair
from layerlens.comparison.saved_weights import decide_with_weights
from layerlens.comparison.verdict import has_to_run
from layerlens.errors import MemoryLimitError, ScenarioError, UnsafeCodeError
from layerlens.explain.align_layers import align_with_reference
from layerlens.explain.pair_report import ReportedPair, as_decided, report_pair
from layerlens.explain.script import script_of
from layerlens.models.build.memory import refuse_beyond_memory, weight_bytes
from layerlens.models.build.request import Built, Model
from layerlens.models.execute.graph_size import with_graph_sizes
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.external.start import StartedProcesses
from layerlens.models.variants import ModelVariants, input_names
from layerlens.plain import stage
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport, ScriptListener
from layerlens.report.training import FitRow
from layerlens.run.conclusion import with_reasons
from layerlens.run.known import Begun, Decided, Tables, Tell, pairs_of, untold
from layerlens.run.steps import MENDABLE, StepMeasurement
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Condition, ModelSpec, Scenario
from layerlens.vocabulary import Mode

#: Weights of more bytes are slow to create, and may not fit into memory next to others.
_LARGE_BYTES = 256 * 1024**2

#: The results of a scenario: models, pairs, trainings, and aligned models.
Result = tuple[
    tuple[ModelReport, ...], tuple[PairReport, ...], tuple[FitRow, ...], tuple[ModelsDiff, ...]
]
Models = Mapping[str, Model]


@dataclass
class Trial:
    """One scenario at work: builds its models and compares them."""

    scenario: Scenario
    options: RunOptions
    on_script: ScriptListener | None = None
    tell: Tell = untold
    started: StartedProcesses | None = None
    variants: ModelVariants = field(init=False)

    def __post_init__(self) -> None:
        self.variants = ModelVariants(self.scenario, self.options, started=self.started)

    def close(self) -> None:
        """Release what runs the models besides this process."""
        self.variants.close()

    def run(self) -> Result:
        """Build the models, compare every pair in every mode, and train."""
        built = self._build_models()
        decisions = self.decide(built)
        fit = self._fit(built, decisions) if self.scenario.fit else ()
        models = tuple(_with_run_results(one, decisions) for one in built.values())
        if self.options.graph:
            models = _with_graphs(models, built)
        steps = StepMeasurement(self.variants, built)
        reports_by_mode = {
            mode: self._with_steps(steps, models, mode, decisions) for mode in self.scenario.modes
        }
        models = reports_by_mode[self._main_mode]
        stage.enter("aligning the layers of the models")
        diffs = align_with_reference(models, self.scenario.reference)
        self.tell(Tables(models, diffs))
        by_candidate = {diff.candidate: diff for diff in diffs}
        judge = self._compare_changed if self.options.explain else None
        judge_under = self._compare_under if self.options.explain else None
        pairs = tuple(
            with_reasons(
                self.scenario,
                decision,
                reports_by_mode[decision.report.mode],
                by_candidate[decision.report.candidate],
                built,
                judge,
                judge_under,
            )
            for decision in decisions
        )
        return models, pairs, fit, diffs

    def summarize(self) -> tuple[tuple[ModelReport, ...], tuple[ModelsDiff, ...]]:
        """Return the models' reports and the aligned models; weights exist only if needed."""
        runs = self.options.deps or self.options.graph
        built = self.variants.build_all(
            allocate=runs, on_built=lambda one: self.tell(Tables((one.report,)))
        )
        models = tuple(one.report for one in built.values())
        if self.options.deps:
            models = StepMeasurement(self.variants, built).of_layers(models, self._main_mode)
        if self.options.graph:
            models = _with_graphs(models, built)
        return models, align_with_reference(models, self.scenario.reference)

    def decide(self, built: Models) -> list[ReportedPair]:
        """Decide every pair in every mode, in the order of the file."""
        decisions = []
        for candidate, mode in pairs_of(self.scenario):
            self.tell(Begun(candidate, mode))
            decisions.append(self._decide(built, candidate, mode))
            self.tell(Decided(decisions[-1].report))
        return decisions

    # --- building ---------------------------------------------------------------------------

    def _build_models(self) -> Models:
        """Build every model; large ones get weights only if they have to run and fit in memory."""
        built = self.variants.build_all(
            at_most=_LARGE_BYTES, on_built=lambda one: self.tell(Tables((one.report,)))
        )
        without_weights = {
            name for name, one in built.items() if isinstance(one, Built) and not one.allocated
        }
        if not without_weights:
            return built
        needed = self._needed(built)
        wanted = [name for name in built if name in without_weights & needed]
        self._refuse_beyond_memory([built[name] for name in wanted])
        reference = self.scenario.reference
        fed_as = input_names(built[reference])
        allocated = {
            name: self.variants.build(
                self.scenario.model(name), fed_as=() if name == reference else fed_as
            )
            for name in wanted
        }
        return {**built, **allocated}

    def _needed(self, built: Models) -> set[str]:
        """Return the models that have to run."""
        if self.scenario.fit or self.options.deps or self.options.graph:
            return set(built)
        needed: set[str] = set()
        reference = self.scenario.reference
        for candidate in self.scenario.candidates:
            pair_models = built[reference], built[candidate.name]
            if has_to_run(*pair_models, self.scenario.transfer):
                needed |= {reference, candidate.name}
        return needed

    def _refuse_beyond_memory(self, models: Iterable[Model]) -> None:
        other_bytes = 0
        for draft in models:
            assert isinstance(draft, Built)
            name, where, limit = draft.spec.name, draft.spec.where, self.options.memory_limit
            refuse_beyond_memory(draft.model, name, limit, where, reserved=other_bytes)
            other_bytes += weight_bytes(draft.model)

    # --- judging ----------------------------------------------------------------------------

    def _decide(
        self, built: Models, candidate: str, mode: Mode, *, is_shown: bool = True
    ) -> ReportedPair:
        pair_models = built[self.scenario.reference], built[candidate]
        options = self.options
        pair = Pair(
            self.scenario,
            *pair_models,
            mode,
            options.seed,
            self.variants,
            is_shown,
            options.effort,
        )
        with restoring_weights(*pair_models):
            decided = decide_with_weights(pair)
            if is_shown:
                self.tell(Decided(as_decided(decided)))
            decision = report_pair(decided)
            if self.on_script is not None:
                self._write_script(decision, pair_models)
        return decision

    def _write_script(self, decision: ReportedPair, pair_models: tuple[Model, Model]) -> None:
        script = script_of(
            self.scenario,
            decision.report,
            *pair_models,
            check=decision.check,
            called=decision.refusal or decision.surprise,
        )
        if script is not None and self.on_script is not None:
            self.on_script(decision.report, script)

    def _compare_changed(self, spec: ModelSpec, reference: Built, mode: Mode) -> PairReport | None:
        """Compare the reference with a changed candidate; None if that is not possible.

        A changed candidate that is invalid or too large for memory is not a fault of the file.
        """
        variants = self.variants.with_candidate(reference, spec)
        trial = Trial(variants.scenario, replace(self.options, explain=False))
        trial.variants = variants
        try:
            with stage.silent():
                candidate = variants.build(spec, fed_as=input_names(reference))
                both = {reference.spec.name: reference, spec.name: candidate}
                return trial._decide(both, spec.name, mode, is_shown=False).report
        except (ScenarioError, MemoryLimitError, UnsafeCodeError):
            return None

    def _compare_under(self, condition: Condition, candidate: str, mode: Mode) -> PairReport | None:
        """Compare a pair under a condition; None if that is not possible."""
        trial = Trial(replace(self.scenario, when=condition), replace(self.options, explain=False))
        try:
            with stage.silent():
                reference = trial.variants.build(self.scenario.model(self.scenario.reference))
                fed_as = input_names(reference)
                built = trial.variants.build(self.scenario.model(candidate), fed_as=fed_as)
                both = {self.scenario.reference: reference, candidate: built}
                return trial._decide(both, candidate, mode, is_shown=False).report
        except (ScenarioError, MemoryLimitError, UnsafeCodeError):
            return None

    def _fit(self, built: Models, decisions: Sequence[ReportedPair]) -> tuple[FitRow, ...]:
        stage.enter("training the models")
        assert self.scenario.fit is not None
        return fit_models(
            built,
            self.scenario.reference,
            self.scenario.fit,
            seed=self.options.seed,
            transfer=self.scenario.transfer,
            variants=self.variants,
            transfers={
                decision.report.candidate: decision.transfer
                for decision in decisions
                if decision.transfer is not None
            },
        )

    # --- steps ------------------------------------------------------------------------------

    @property
    def _main_mode(self) -> Mode:
        """The mode that the models' own rows describe."""
        return "inference" if "inference" in self.scenario.modes else "training"

    def _with_steps(
        self,
        steps: StepMeasurement,
        models: tuple[ModelReport, ...],
        mode: Mode,
        decisions: Sequence[ReportedPair],
    ) -> tuple[ModelReport, ...]:
        """Return the models with their step dependence in one mode."""
        if self.options.deps:
            return steps.of_layers(models, mode)
        # The models' rows describe the main mode; a pair's reasons are about its own mode.
        candidates = [
            decision.report.candidate
            for decision in decisions
            if decision.report.verdict in MENDABLE
            and (mode == self._main_mode or decision.report.mode == mode)
        ]
        return steps.of_pairs(models, mode, dict.fromkeys(candidates))


def _with_run_results(model: Model, decisions: Sequence[ReportedPair]) -> ModelReport:
    """Return a model's report with the results of running it: a refused call, what ran it."""
    report = model.report
    refused = {d.refusal.model: d.refusal.error for d in decisions if d.refusal is not None}
    sizes = {name: size for d in decisions for name, size in d.graph_ops.items()}
    runtimes = {name: row for d in decisions for name, row in d.runtimes.items()}
    return replace(
        report,
        runtime=runtimes.get(report.name, report.runtime),
        error=report.error or refused.get(report.name),
        graph_ops=sizes.get(report.name),
    )


def _with_graphs(models: Sequence[ModelReport], built: Models) -> tuple[ModelReport, ...]:
    """Return the models with the sizes of their traced graphs."""
    return tuple(
        with_graph_sizes(report, model) if isinstance(model, Built) else report
        for report in models
        for model in [built[report.name]]
    )
