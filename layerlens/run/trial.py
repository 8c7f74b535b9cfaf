"""Build the models of one scenario, decide on every pair and train; imports Keras."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from layerlens.comparison.fit import fit_models
from layerlens.comparison.verdict import Pair, decide, has_to_run
from layerlens.errors import MemoryLimitError, ScenarioError, UnsafeCodeError
from layerlens.explain.align_layers import align_with_reference
from layerlens.explain.pair_report import ReportedPair, report_pair
from layerlens.explain.script import script_of
from layerlens.models.build.memory import refuse_beyond_memory, weight_bytes
from layerlens.models.build.request import Built, Refused
from layerlens.models.execute.graph_size import with_graph_sizes
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.variants import ModelVariants, input_names
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport, ScriptListener
from layerlens.report.training import FitRow
from layerlens.run.conclusion import concluded
from layerlens.run.steps import MENDABLE, StepMeasurement
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import ModelSpec, Scenario
from layerlens.vocabulary import Mode

#: Weights of so many bytes take a while to make, and may be more than comparing has room for.
_LARGE_BYTES = 256 * 1024**2

#: What a scenario leads to: its models, pairs, trainings, and the models lined up.
Result = tuple[
    tuple[ModelReport, ...], tuple[PairReport, ...], tuple[FitRow, ...], tuple[ModelsDiff, ...]
]
Models = Mapping[str, Built | Refused]


@dataclass
class Trial:
    """The work on one scenario."""

    scenario: Scenario
    options: RunOptions
    on_script: ScriptListener | None = None
    variants: ModelVariants = field(init=False)

    def __post_init__(self) -> None:
        self.variants = ModelVariants(self.scenario, self.options)

    def run(self) -> Result:
        built = self._built()
        decisions = self.decide(built)
        fit = self._fit(built) if self.scenario.fit else ()
        models = tuple(_with_run(one, decisions) for one in built.values())
        if self.options.graph:
            models = _with_graphs(models, built)
        steps = StepMeasurement(self.variants, built)
        seen = {
            mode: self._with_steps(steps, models, mode, decisions) for mode in self.scenario.modes
        }
        models = seen[self._main_mode]
        diffs = align_with_reference(models, self.scenario.reference)
        by_candidate = {diff.candidate: diff for diff in diffs}
        judge = self._judge_instead if self.options.explain else None
        pairs = tuple(
            concluded(
                self.scenario,
                decision,
                seen[decision.report.mode],
                by_candidate[decision.report.candidate],
                built,
                judge,
            )
            for decision in decisions
        )
        return models, pairs, fit, diffs

    def summarize(self) -> tuple[tuple[ModelReport, ...], tuple[ModelsDiff, ...]]:
        """Return the models' reports and the models lined up; weights are made only if needed."""
        runs = self.options.deps or self.options.graph
        built = self.variants.build_all(allocate=runs)
        models = tuple(one.report for one in built.values())
        if self.options.deps:
            models = StepMeasurement(self.variants, built).of_layers(models, self._main_mode)
        if self.options.graph:
            models = _with_graphs(models, built)
        return models, align_with_reference(models, self.scenario.reference)

    def decide(self, built: Models) -> list[ReportedPair]:
        """Decide every pair in every mode, in the order of the file."""
        return [
            self._decide(built, candidate.name, mode)
            for candidate in self.scenario.candidates
            for mode in self.scenario.modes
        ]

    # --- building ---------------------------------------------------------------------------

    def _built(self) -> Models:
        """Build every model; large ones only if they have to run and there is room for them."""
        built = self.variants.build_all(at_most=_LARGE_BYTES)
        drafted = {
            name for name, one in built.items() if isinstance(one, Built) and not one.allocated
        }
        if not drafted:
            return built
        needed = self._needed(built)
        wanted = [name for name in built if name in drafted & needed]
        self._refuse_beyond_memory([built[name] for name in wanted])
        reference = self.scenario.reference
        fed_as = input_names(built[reference])
        made = {
            name: self.variants.build(
                self.scenario.model(name), fed_as=() if name == reference else fed_as
            )
            for name in wanted
        }
        return {**built, **made}

    def _needed(self, built: Models) -> set[str]:
        """Return the models that have to run."""
        if self.scenario.fit or self.options.deps or self.options.graph:
            return set(built)
        needed: set[str] = set()
        reference = self.scenario.reference
        for candidate in self.scenario.candidates:
            sides = built[reference], built[candidate.name]
            if has_to_run(*sides, self.scenario.transfer):
                needed |= {reference, candidate.name}
        return needed

    def _refuse_beyond_memory(self, drafts: Iterable[Built | Refused]) -> None:
        held = 0
        for draft in drafts:
            assert isinstance(draft, Built)
            name, where, limit = draft.spec.name, draft.spec.where, self.options.memory_limit
            refuse_beyond_memory(draft.model, name, limit, where, beside=held)
            held += weight_bytes(draft.model)

    # --- judging ----------------------------------------------------------------------------

    def _decide(
        self, built: Models, candidate: str, mode: Mode, *, shows: bool = True
    ) -> ReportedPair:
        sides = built[self.scenario.reference], built[candidate]
        pair = Pair(self.scenario, *sides, mode, self.options.seed, self.variants, shows)
        with restoring_weights(*sides):
            decision = report_pair(decide(pair))
            if self.on_script is not None:
                self._write_script(decision, sides)
        return decision

    def _write_script(
        self, decision: ReportedPair, sides: tuple[Built | Refused, Built | Refused]
    ) -> None:
        script = script_of(
            self.scenario,
            decision.report,
            *sides,
            check=decision.check,
            called=decision.refusal or decision.surprise,
        )
        if script is not None and self.on_script is not None:
            self.on_script(decision.report, script)

    def _judge_instead(self, spec: ModelSpec, reference: Built, mode: Mode) -> PairReport | None:
        """Judge the reference against a changed candidate; None where that cannot be done.

        Builder and judge say by these errors that a model asks for what it does not have, or for
        more memory than there is: of a candidate that was only tried, that is no fault of the file.
        """
        variants = self.variants.beside(reference, spec)
        trial = Trial(variants.scenario, replace(self.options, explain=False))
        trial.variants = variants
        try:
            candidate = variants.build(spec, fed_as=input_names(reference))
            both = {reference.spec.name: reference, spec.name: candidate}
            return trial._decide(both, spec.name, mode, shows=False).report
        except (ScenarioError, MemoryLimitError, UnsafeCodeError):
            return None

    def _fit(self, built: Models) -> tuple[FitRow, ...]:
        assert self.scenario.fit is not None
        return fit_models(
            built,
            self.scenario.reference,
            self.scenario.fit,
            seed=self.options.seed,
            transfer=self.scenario.transfer,
            variants=self.variants,
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
        """Return the models with what was measured of their steps in one mode."""
        if self.options.deps:
            return steps.of_layers(models, mode)
        # The models' rows are of one mode; a pair's conclusion is of its own.
        candidates = [
            decision.report.candidate
            for decision in decisions
            if decision.report.verdict in MENDABLE
            and (mode == self._main_mode or decision.report.mode == mode)
        ]
        return steps.of_pairs(models, mode, dict.fromkeys(candidates))


def _with_run(model: Built | Refused, decisions: Sequence[ReportedPair]) -> ModelReport:
    """Return a model's report with what running it added: a refused call, the size of its graph."""
    report = model.report
    refused = {d.refusal.model: d.refusal.error for d in decisions if d.refusal is not None}
    sizes = {name: size for d in decisions for name, size in d.graph_ops.items()}
    return replace(
        report,
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
