"""Decide whether two models compute the same by a proof, or by running both."""

from __future__ import annotations

from dataclasses import replace

from layerlens.comparison.also_differs import also_differs
from layerlens.comparison.confirmation import confirm
from layerlens.comparison.coverage import Coverage, coverage_of_probes, with_kept_weights
from layerlens.comparison.decision import Decision
from layerlens.comparison.examination import DYNAMIC, Examination
from layerlens.comparison.half_precision import RangeCheck, converts_alone
from layerlens.comparison.judging import beside_proof, judge_pair, within_range
from layerlens.comparison.layer_by_layer import Found, LayerByLayer
from layerlens.comparison.masked_steps import masked_difference
from layerlens.comparison.pair import Pair
from layerlens.comparison.probe_plan import ProbePlan, examine
from layerlens.comparison.random_outputs import judge_random
from layerlens.comparison.rounding import RoundingCheck
from layerlens.comparison.search import search
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.numerics.judge import Judgement
from layerlens.numerics.observation import Evidence
from layerlens.numerics.probes import join
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.certify import certify
from layerlens.proof.gradients import gradients_follow_outputs
from layerlens.report.pairs import CertificateRow
from layerlens.vocabulary import AlsoDiffers

#: Differences besides the output that are expected where outputs are random.
CHANGES_WITH_SEED = ("gradients", "non_finite")


def decide_by_running(pair: Pair, transfer: Transfer) -> Decision:
    """Return the decision on two models that Keras runs here; their weights are restored."""
    with restoring_weights(pair.reference, pair.candidate):
        decision = _run(pair, transfer)
    if decision.examination is not None:
        for side in decision.examination.sides:
            side.forget()
    return decision


def _run(pair: Pair, transfer: Transfer) -> Decision:
    sides = pair.working_sides()
    has_tolerance = pair.scenario.tolerance is not None
    proof = certify(*sides, transfer, seed=pair.seed, has_tolerance=has_tolerance)
    examination = Examination(*sides, transfer, pair.seed, proof, pair.effort)
    if examination.certificate is not None:
        judgement = confirm(examination)
        if judgement is not None:
            return _proved(pair, examination, examination.certificate, judgement)
    else:
        found = _layer_by_layer(pair, examination)
        if found is not None:
            return found
    pair.add_float64(sides)
    if converts_alone(examination):
        for side in sides:
            side.leave_float64()
    evidence = examine(examination)
    if evidence.refusal is not None:
        return Decision(
            pair, "build_error", "call", transfer, examination=examination, evidence=evidence
        )
    if evidence.shape_surprise is not None:
        return Decision(
            pair,
            "shape_mismatch",
            "called_shape",
            transfer,
            examination=examination,
            evidence=evidence,
        )
    evidence, judgement = _judge_and_search(pair, examination, evidence)
    return Decision(
        pair,
        judgement.verdict,
        "outputs",
        transfer,
        examination=examination,
        evidence=evidence,
        judgement=judgement,
        masked=masked_difference(examination, pair.scenario.tolerance),
    )


def _layer_by_layer(pair: Pair, examination: Examination) -> Decision | None:
    """Return the decision on large models that differ clearly; None for others.

    A difference counts if float32 rounding of any constant or result could not explain it.
    """
    if not examination.budget.is_large:
        return None
    layers = LayerByLayer.of(examination, examination.budget)
    if layers is None:
        return None
    examination.prepare(ProbePlan(examination).base_length())
    observed: list[WeightSet] = []
    seen_so_far: list[Found] = []
    for weights in layers.weight_sets(seen_so_far):
        found = layers.observe(weights)
        if found is None:
            return None
        seen = found.observation
        judgement = found.judged(pair.scenario.tolerance)
        if judgement.verdict != "different" or judgement.witness is None:
            observed.append(weights)
            seen_so_far.append(found)
            continue
        examination.sets = (*examination.sets, weights)
        examination.observations = [seen]
        return Decision(
            pair,
            "different",
            "outputs",
            examination.transfer,
            examination=examination,
            evidence=Evidence((seen,), plan="layer_by_layer"),
            judgement=replace(judgement, witness=found.simplest(judgement.witness)),
            divergence=found.divergence,
        )
    # With weights that keep the signal alive, probes see most.
    examination.sets = (examination.sets[0], *observed[:-1], *examination.sets[2:])
    return None


def _proved(
    pair: Pair, examination: Examination, certificate: CertificateRow, judgement: Judgement
) -> Decision:
    """Return the decision on a pair that was proved equal, and confirmed."""
    differences = also_differs(
        examination.reference,
        examination.candidate,
        examination.main_values(),
        examination.generic_inputs(),
        examination.padded_inputs(),
        examination.transfer,
        gradients=_has_to_compare_gradients(examination, certificate),
        # The same computation treats every number alike.
        non_finite=not examination.is_identical,
    )
    return Decision(
        pair,
        judgement.verdict,
        "outputs",
        examination.transfer,
        examination=examination,
        evidence=Evidence(
            tuple(examination.observations),
            certificate=certificate,
            also_differs=tuple(differences),
            plan="proof",
        ),
        judgement=judgement,
        masked=masked_difference(examination, None),
    )


def _has_to_compare_gradients(examination: Examination, certificate: CertificateRow) -> bool:
    """Return whether gradients may differ although the outputs are proved equal."""
    if certificate.method != "graph":
        return False
    runners = [side.working.keras for side in examination.sides]
    traced = [None if runner is None else runner.already_traced() for runner in runners]
    return not all(one is not None and gradients_follow_outputs(one) for one in traced)


def _judge_and_search(
    pair: Pair, examination: Examination, evidence: Evidence
) -> tuple[Evidence, Judgement]:
    """Judge the observations, and observe more where these do not decide."""
    one, other = examination.reference, examination.candidate
    rounding, in_range = RoundingCheck(examination), RangeCheck(examination)
    tolerance = pair.scenario.tolerance

    def judged() -> Judgement:
        return judge_pair(rounding, in_range, tolerance)

    judgement = within_range(in_range, judged(), tolerance)
    proof = examination.certificate
    if (
        judgement.verdict == "equivalent"
        and proof is None
        and not examination.budget.is_heavy
        and _search(examination)
    ):
        judgement = judged()
    shown = judgement.witness if judgement.only_at_initialization else None
    if shown is not None and examination.observe_at_initialization(shown):
        judgement = judged()
    judgement, by_distribution = judge_random(rounding, judgement, tolerance)
    if proof is not None:
        judgement = beside_proof(judgement)
    passes = judgement.verdict == "equivalent"
    certificate = proof if passes else None
    differences = also_differs(
        one,
        other,
        examination.main_values(),
        examination.generic_inputs(),
        examination.padded_inputs(),
        examination.transfer,
        gradients=certificate is None or _has_to_compare_gradients(examination, certificate),
    )
    coverage = Coverage()
    if passes and certificate is None:
        coverage = with_kept_weights(coverage_of_probes(examination), examination.transfer)
    overflow: tuple[AlsoDiffers, ...] = ("overflow",) if in_range.overflows() else ()
    evidence = replace(
        evidence,
        observations=tuple(in_range.observations()),
        certificate=certificate,
        # Random numbers differ from call to call, and so do figures that depend on them.
        also_differs=(
            *(a for a in differences if not (by_distribution and a in CHANGES_WITH_SEED)),
            *overflow,
        ),
        unseen=coverage.unseen,
        without_influence=coverage.without_influence,
        unproved=examination.unproved if passes else None,
        by_distribution=by_distribution,
    )
    return evidence, judgement


def _search(examination: Examination) -> bool:
    """Search for an input on which the two differ more, and observe it; False if none is found."""
    found = search(
        examination.reference,
        examination.candidate,
        [(weights.reference, weights.candidate) for weights in examination.sets],
        examination.domains,
        examination.seed,
        constants=examination.constants,
    )
    if found is None:
        return False
    examination.observe(examination.sets[found[0]], join([found[1]]), DYNAMIC, chosen=True)
    return True
