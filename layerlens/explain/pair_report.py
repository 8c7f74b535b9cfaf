"""Turn the decision on a pair into its report: figures, sentences and a counterexample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from layerlens.comparison.decision import Decision
from layerlens.comparison.examination import Examination
from layerlens.comparison.integer_overflow import integer_losses
from layerlens.comparison.named_weights import pairs_row
from layerlens.comparison.verdict import beyond_memory
from layerlens.explain import verdict_sentences
from layerlens.explain.argument_gaps import argument_gaps
from layerlens.explain.conditions import condition_text
from layerlens.explain.difference_check import DifferenceCheck
from layerlens.explain.first_divergence import Divergence, first_divergence, first_inconsistency
from layerlens.explain.relations import relation
from layerlens.explain.shrink import as_seen, shrink
from layerlens.explain.verdict_sentences import with_sentence
from layerlens.explain.weight_sentences import weight_sentences
from layerlens.explain.working_transfer import working_transfer
from layerlens.models.build.request import Built, Foreign, Recorded, Refused
from layerlens.models.execute.graph_size import model_graph_ops
from layerlens.numerics.flat_input import as_arrays
from layerlens.numerics.heat_map import differences_map
from layerlens.numerics.observation import CallRefusal, Evidence, ShapeSurprise
from layerlens.numerics.weight_transfer import Transfer
from layerlens.report.layers import RuntimeRow
from layerlens.report.pairs import EffortRow, PairReport, Rounding
from layerlens.vocabulary import Strength


@dataclass(frozen=True, slots=True)
class ReportedPair:
    """The report of a pair, with the findings that scripts and `why` are written from."""

    report: PairReport
    #: The call that a model refused although it builds.
    refusal: CallRefusal | None = None
    #: The call in which the models gave different shapes.
    surprise: ShapeSurprise | None = None
    #: The check that the counterexample passed.
    check: DifferenceCheck | None = None
    #: The first layers whose outputs differ.
    divergence: Divergence | None = None
    #: Sentences on layers that overflow integers on the counterexample.
    losses: tuple[str, ...] = ()
    #: How the weights were carried over; None where they were not looked at.
    transfer: Transfer | None = None
    #: The number of operations in each traced graph, by the model's name.
    graph_ops: Mapping[str, int] = field(default_factory=dict)
    #: Sentences on models that compute other shapes than Keras announces.
    misannounced: tuple[str, ...] = ()
    #: What ran each model that Keras did not run here, by the model's name.
    runtimes: Mapping[str, RuntimeRow] = field(default_factory=dict)


def report_pair(decision: Decision) -> ReportedPair:
    """Return the report of a decision.

    If the models differ, this runs them again to shrink the counterexample and to find the first
    layers that differ.
    """
    found = _by_cause(decision)
    reference, candidate = decision.pair.reference, decision.pair.candidate
    report = _with_saved_weights(replace(found.report, inputs=decision.fed), decision)
    if decision.unrestored is not None:
        text = verdict_sentences.unrestored(reference.report, candidate.report, decision.unrestored)
        report = replace(report, explanation=text)
    misannounced = tuple(map(verdict_sentences.misannounced, decision.misannounced))
    more = [
        *misannounced,
        verdict_sentences.notes(reference.report, candidate.report),
    ]
    if (condition := decision.pair.scenario.when) is not None:
        more.append(f"Compared only {condition_text(condition)}.")
    if (
        not isinstance(reference, Refused)
        and not isinstance(candidate, Refused)
        and decision.fed is not None
    ):
        more.append(
            verdict_sentences.paired_inputs(
                decision.fed, reference.listed_names, candidate.listed_names
            )
        )
    explanation = reduce(with_sentence, more, report.explanation)
    code = verdict_sentences.outside_code(reference.report, candidate.report)
    first = [*([code] if code else []), *weight_sentences(report)]
    report = replace(report, explanation=" ".join([*first, explanation]))
    found = replace(
        found,
        report=report,
        transfer=decision.transfer,
        misannounced=misannounced,
    )
    if decision.examination is None:
        return found
    return replace(found, graph_ops=_graph_ops(decision.examination))


def _with_saved_weights(report: PairReport, decision: Decision) -> PairReport:
    saved = decision.saved_weights
    if saved is None or not saved.differing:
        return replace(report, saved_weights=saved)
    return replace(report, saved_weights=saved, also_differs=(*report.also_differs, "weights"))


def as_decided(decision: Decision) -> PairReport:
    """Return the report of a decision as it is known before any model is run again for it."""
    if decision.cause == "outputs":
        report, judgement = _figures(decision), decision.judgement
        if judgement is None or judgement.witness is None or decision.examination is None:
            return report
        seen = as_seen(judgement.witness, decision.examination.reference.built.inputs)
        return replace(report, counterexample=seen)
    if decision.cause == "shapes":
        reference, candidate = decision.pair.reference, decision.pair.candidate
        assert decision.shapes is not None
        text = verdict_sentences.shapes(reference.report, candidate.report, decision.shapes)
        return _early(decision, text)
    return _by_cause(decision).report


def _by_cause(decision: Decision) -> ReportedPair:
    match decision.cause:
        case "refused" | "shapes" | "weights" | "inputs":
            return ReportedPair(_early(decision, _early_text(decision)))
        case "call" | "called_shape":
            return _of_call(decision)
        case "outputs":
            return _of_outputs(decision)


def _early_text(decision: Decision) -> str:
    """Explain a verdict that was reached before any output was compared."""
    reference, candidate = decision.pair.reference, decision.pair.candidate
    refused = [side for side in (reference, candidate) if isinstance(side, Refused)]
    if refused:
        return " ".join(verdict_sentences.refused(side.report) for side in refused)
    if decision.inputs_apart is not None:
        return verdict_sentences.inputs(reference.report, candidate.report, decision.inputs_apart)
    transfer = decision.transfer
    assert transfer is not None
    if decision.cause == "weights":
        text = verdict_sentences.weights(reference.report, candidate.report, transfer)
        more = []
        if isinstance(reference, Built) and isinstance(candidate, Built):
            more = [argument_gaps(reference, candidate), _other_transfer(decision)]
        return reduce(with_sentence, more, text)
    assert decision.shapes is not None
    text = verdict_sentences.shapes(reference.report, candidate.report, decision.shapes)
    if not isinstance(reference, Built) or not isinstance(candidate, Built):
        return text  # a recording or an exported file has no layers to change
    made = transfer.complete and reference.allocated and candidate.allocated
    if not made or beyond_memory(reference, candidate) is not None:
        return text
    pair = decision.pair
    return with_sentence(text, relation(*pair.sides(), transfer, pair.seed))


def _other_transfer(decision: Decision) -> str | None:
    """Say with which other transfer the models compute the same, or None where none is known."""
    if not decision.pair.shows or decision.transfer is None:
        return None
    found = working_transfer(decision.pair, decision.transfer)
    return None if found is None else verdict_sentences.working_transfer(found)


def _of_call(decision: Decision) -> ReportedPair:
    evidence = decision.evidence
    assert evidence is not None
    if evidence.refusal is not None:
        text = verdict_sentences.call_refused(evidence.refusal)
        return ReportedPair(_early(decision, text), refusal=evidence.refusal)
    assert evidence.shape_surprise is not None
    text = verdict_sentences.shape_surprise(evidence.shape_surprise)
    return ReportedPair(_early(decision, text), surprise=evidence.shape_surprise)


def _of_outputs(decision: Decision) -> ReportedPair:
    examination, judgement = decision.examination, decision.judgement
    assert judgement is not None
    assert decision.transfer is not None
    report = _figures(decision)
    if examination is None:
        return ReportedPair(_beside_frozen(decision, report), runtimes=_runtimes(decision))
    more = [
        verdict_sentences.about_weights(
            report,
            decision.transfer,
            overruled=decision.saved_weights is None and examination.overrules_stored_weights(),
            in_file=not decision.pair.candidate.spec.is_argument,
        ),
        verdict_sentences.paired_by_calls(
            report, decision.transfer, differs_by_position=decision.differs_by_position
        ),
        verdict_sentences.own_weights(report, decision.own_weights),
        *(_untried_lengths(examination) if report.verdict == "equivalent" else ()),
    ]
    if report.verdict == "different":
        more.append(_other_transfer(decision))
    report = replace(report, explanation=reduce(with_sentence, more, report.explanation))
    witness = judgement.witness
    if witness is None or not decision.pair.shows:
        return ReportedPair(report)
    if decision.divergence is not None:
        seen = as_seen(witness, examination.reference.built.inputs)
        report = replace(report, counterexample=seen, first_divergence=decision.divergence)
        return ReportedPair(report)
    if judgement.reason:  # a further call would not show the same difference
        seen = as_seen(witness, examination.reference.built.inputs)
        return ReportedPair(replace(report, counterexample=seen))
    weights = examination.weights_of(witness.observation)
    check = DifferenceCheck(
        examination.reference,
        examination.candidate,
        weights.reference,
        weights.candidate,
        witness,
        judgement.residue,
        decision.pair.scenario.tolerance,
        examination.transfer,
    )
    return _with_counterexample(examination, check, report)


def _beside_frozen(decision: Decision, report: PairReport) -> PairReport:
    """Complete the report of a pair of which Keras does not run one model here."""
    reference, candidate = decision.pair.reference, decision.pair.candidate
    frozen, live = (
        (candidate, reference) if isinstance(reference, Built) else (reference, candidate)
    )
    assert isinstance(live, Built)
    assert decision.transfer is not None
    if isinstance(frozen, Recorded):
        more = [
            verdict_sentences.recorded(frozen.report, frozen.recording),
            verdict_sentences.about_recorded_weights(
                frozen.report,
                live.report,
                decision.transfer,
                overruled=decision.overruled and not candidate.spec.is_argument,
            ),
        ]
    else:
        assert isinstance(frozen, Foreign)
        runtime = frozen.runtime
        more = [
            verdict_sentences.elsewhere(
                frozen.report, live.report, report, evaluated=runtime.evaluated
            )
        ]
        if report.verdict == "different" and not runtime.shows_inside:
            more.append(verdict_sentences.insides_unseen(frozen.report))
        if runtime.is_named:
            is_reference = frozen is reference
            report = replace(report, transfer=pairs_row(frozen, live, is_reference=is_reference))
    report = replace(report, explanation=reduce(with_sentence, more, report.explanation))
    witness = decision.judgement.witness if decision.judgement is not None else None
    if witness is None or not decision.pair.shows:
        return report
    seen = as_seen(witness, live.inputs)
    return replace(report, counterexample=seen, first_divergence=decision.divergence)


def _runtimes(decision: Decision) -> Mapping[str, RuntimeRow]:
    """Return what ran each model that Keras did not run here, as it was in the end."""
    reports = decision.pair.reference.report, decision.pair.candidate.report
    return {one.name: one.runtime for one in reports if one.runtime is not None}


def _untried_lengths(examination: Examination) -> tuple[str | None, ...]:
    """Return sentences on the input lengths that a pass does not cover."""
    if examination.certificate is not None:
        return ()
    longest = examination.longest_tried
    return (
        verdict_sentences.beyond_lengths(examination.lengths.reach.shortfall, longest),
        verdict_sentences.unknown_lengths(examination.unknown_layers, longest),
    )


def _with_counterexample(
    examination: Examination, check: DifferenceCheck, report: PairReport
) -> ReportedPair:
    """Add a small counterexample and the first divergence to the report of a difference."""
    reference, candidate, witness = check.reference, check.candidate, check.witness
    values = check.weights_reference, check.weights_candidate
    counterexample = shrink(
        reference, candidate, *values, witness, residue=check.residue, tolerance=check.tolerance
    )
    inputs = as_arrays(counterexample.input, reference.built.inputs)
    related = None
    overflows: tuple[str, ...] = ()
    if witness.inconsistent is None:
        divergence = first_divergence(reference, candidate, *values, inputs, residue=check.residue)
        overflows = (
            *integer_losses(reference, values[0], inputs),
            *integer_losses(candidate, values[1], inputs),
        )
        seen = examination.observations
        related = relation(reference, candidate, examination.transfer, examination.seed, seen)
    else:
        side, weights = (
            (reference, values[0])
            if witness.inconsistent == "reference"
            else (candidate, values[1])
        )
        divergence = first_inconsistency(
            side, weights, inputs, "traced_dynamic", witness.observation.execution
        )
    report = replace(
        report,
        counterexample=counterexample,
        first_divergence=divergence.row if divergence is not None else None,
        explanation=reduce(with_sentence, (related, *overflows), report.explanation),
    )
    return ReportedPair(report, check=check, divergence=divergence, losses=overflows)


def _figures(decision: Decision) -> PairReport:
    pair, evidence, judgement = decision.pair, decision.evidence, decision.judgement
    assert evidence is not None
    assert judgement is not None
    assert decision.transfer is not None
    difference = judgement.difference
    return PairReport(
        reference=pair.reference.spec.name,
        candidate=pair.candidate.spec.name,
        mode=pair.mode,
        verdict=decision.verdict,
        strength=_strength(evidence) if decision.verdict == "equivalent" else None,
        explanation=verdict_sentences.judged(
            pair.reference.report, pair.candidate.report, judgement
        ),
        max_abs=difference.max_abs if difference else None,
        max_rel=difference.max_rel if difference else None,
        max_ulp=difference.max_ulp if difference else None,
        mismatched=difference.mismatched if difference else None,
        compared=difference.compared if difference else None,
        rounding=None if judgement.rounding == Rounding(None, None) else judgement.rounding,
        probes=judgement.probes,
        only_at_initialization=judgement.only_at_initialization,
        transfer=decision.transfer.to_row(),
        certificate=evidence.certificate,
        also_differs=evidence.also_differs,
        unseen=evidence.unseen,
        without_influence=evidence.without_influence,
        unproved=evidence.unproved,
        effort=EffortRow(
            pair.effort,
            evidence.plan,
            len(evidence.observations),
            sum(len(seen.batch.inputs[0]) for seen in evidence.observations),
        ),
        masked=decision.masked,
        differences=differences_map(evidence.observations),
    )


def _strength(evidence: Evidence) -> Strength:
    if evidence.certificate is not None:
        return "certified"
    return "weak" if evidence.unseen or evidence.by_distribution else "tested"


def _early(decision: Decision, text: str) -> PairReport:
    """Return the report of a pair that was decided before any output was compared."""
    pair, transfer = decision.pair, decision.transfer
    return PairReport(
        reference=pair.reference.spec.name,
        candidate=pair.candidate.spec.name,
        mode=pair.mode,
        verdict=decision.verdict,
        strength=None,
        explanation=text,
        transfer=transfer.to_row() if transfer else None,
    )


def _graph_ops(examination: Examination) -> dict[str, int]:
    sides = (examination.reference, examination.candidate)
    runners = {side.name: side.working.keras for side in sides}
    found = {name: model_graph_ops(one) for name, one in runners.items() if one is not None}
    return {name: ops for name, ops in found.items() if ops is not None}
