"""Add the reasons for a pair's verdict, and the changes that make the pair agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from layerlens.explain.causes import causes_of
from layerlens.explain.conditions import agreement_in_inference, condition_text, find_agreement
from layerlens.explain.pair_report import ReportedPair
from layerlens.explain.repair import Repair, find_repair
from layerlens.explain.why_sentences import Findings, why_sentences
from layerlens.models.build.request import Built, Model
from layerlens.plain import stage
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.run.steps import MENDABLE
from layerlens.scenario.spec import Condition, ModelSpec, Scenario
from layerlens.vocabulary import Mode

#: Compares the reference with a changed candidate; None if that is not possible.
Judge = Callable[[ModelSpec, Built, Mode], PairReport | None]
#: Compares the reference with a candidate, by its name, under a condition.
ConditionJudge = Callable[[Condition, str, Mode], PairReport | None]


def with_reasons(
    scenario: Scenario,
    decision: ReportedPair,
    models: Sequence[ModelReport],
    diff: ModelsDiff,
    built: Mapping[str, Model],
    judge: Judge | None,
    judge_under: ConditionJudge | None = None,
) -> PairReport:
    """Return a pair's report with the reasons for its verdict.

    With `judge`, changes to the candidate are tried until the two agree, and with `judge_under`
    conditions on the inputs.
    """
    pair = decision.report
    if judge is not None and judge_under is not None:
        pair = _with_agreement(scenario, decision, built, judge, judge_under)
    repair = _repaired(scenario, pair, diff, built, judge) if judge is not None else None
    reports = {model.name: model for model in models}
    # A model whose call fails in one mode, or paired with one model, may run in another.
    refusal = decision.refusal
    reference, candidate = (
        replace(
            reports[name],
            error=refusal.error
            if refusal is not None and refusal.model == name
            else built[name].report.error,
        )
        for name in (pair.reference, pair.candidate)
    )
    findings = Findings(
        repair,
        decision.divergence,
        decision.losses,
        tolerant=scenario.tolerance is not None,
        several_modes=len(scenario.modes) > 1,
        misannounced=decision.misannounced,
        condition=f"Compared only {condition_text(scenario.when)}." if scenario.when else "",
    )
    if reference.error is None and candidate.error is None:
        pair = replace(pair, causes=causes_of(reference, candidate, diff))
    return replace(pair, why=why_sentences(reference, candidate, pair, diff, findings))


def _with_agreement(
    scenario: Scenario,
    decision: ReportedPair,
    built: Mapping[str, Model],
    judge: Judge,
    judge_under: ConditionJudge,
) -> PairReport:
    """Return the report of a pair that differs with a condition under which the two agree."""
    pair = decision.report
    reference, candidate = built[pair.reference], built[pair.candidate]
    if pair.verdict != "different" or scenario.when is not None:
        return pair
    if not isinstance(reference, Built) or not isinstance(candidate, Built):
        return pair
    stage.enter("trying conditions under which the two agree")
    if pair.mode == "training":
        found = judge(scenario.model(pair.candidate), reference, "inference")
        return replace(pair, agrees_when=agreement_in_inference(found))

    def judged(subject: Condition | ModelSpec) -> PairReport | None:
        if isinstance(subject, Condition):
            return judge_under(subject, pair.candidate, pair.mode)
        return judge(subject, reference, pair.mode)

    agreement = find_agreement(reference, candidate, pair, judged, decision.check)
    return replace(pair, agrees_when=agreement)


def _repaired(
    scenario: Scenario,
    pair: PairReport,
    diff: ModelsDiff,
    built: Mapping[str, Model],
    judge: Judge,
) -> Repair | None:
    """Try changes that would make a pair agree, and compare each as the pair itself."""
    reference, candidate = built[pair.reference], built[pair.candidate]
    if pair.verdict not in MENDABLE or pair.mode != "inference":
        return None
    if not isinstance(reference, Built) or not reference.allocated:
        return None
    stage.enter("trying changes that make the two agree")
    return find_repair(
        scenario.model(pair.reference),
        scenario.model(pair.candidate),
        candidate.report,
        diff,
        lambda spec: judge(spec, reference, pair.mode),
    )
