"""Decide whether two models of a scenario, built or refused, compute the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from layerlens.comparison.against_frozen import compare_with_frozen
from layerlens.comparison.also_differs import also_differs
from layerlens.comparison.confirmation import confirm
from layerlens.comparison.coverage import Coverage, coverage_of_probes, with_kept_weights
from layerlens.comparison.examination import DYNAMIC, Examination
from layerlens.comparison.foreign_answers import refuse_without_weights
from layerlens.comparison.half_precision import RangeCheck
from layerlens.comparison.layer_by_layer import LayerByLayer
from layerlens.comparison.masked_steps import masked_difference
from layerlens.comparison.named_weights import with_named_weights
from layerlens.comparison.pair import Pair
from layerlens.comparison.probe_plan import ProbePlan, examine
from layerlens.comparison.random_outputs import judge_random
from layerlens.comparison.rounding import RoundingCheck
from layerlens.comparison.search import search
from layerlens.errors import MemoryLimitError
from layerlens.models.build.request import Built, Foreign, Frozen, Model, Refused
from layerlens.models.execute.call_order import paired_by_calls
from layerlens.models.execute.input_domains import input_mismatch
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.execute.running_memory import running_beyond_memory
from layerlens.models.execute.variables import given_weights, pair_model_weights
from layerlens.models.execute.weight_sets import WeightSet
from layerlens.models.external.line_up import line_up
from layerlens.models.inspect.input_order import is_generated_name
from layerlens.numerics.judge import Judgement, as_different, judge
from layerlens.numerics.observation import Evidence
from layerlens.numerics.probes import join
from layerlens.numerics.weight_differences import WeightComparison, compare_weights
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.certify import certify
from layerlens.proof.gradients import gradients_follow_outputs
from layerlens.report.pairs import (
    CertificateRow,
    FirstDivergence,
    InputsRow,
    MaskedDifference,
    SavedWeights,
)
from layerlens.scenario.spec import Tolerance, TransferRule
from layerlens.vocabulary import AlsoDiffers, Verdict

#: Differences besides the output that are expected where outputs are random.
CHANGES_WITH_SEED = ("gradients", "non_finite")


#: The cause of a verdict: a model that was refused; shapes, weights or inputs that do not match; a
#: call that was refused; a call that returned a shape other than announced; or the outputs.
Cause = Literal["refused", "shapes", "weights", "inputs", "call", "called_shape", "outputs"]


@dataclass(frozen=True, slots=True)
class OwnWeights:
    """How the models' own weights differ, and the verdict with the reference's carried over."""

    comparison: WeightComparison
    #: None where it was not looked for.
    carried: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on a pair with its evidence; `explain.pair_report` puts it in words."""

    pair: Pair
    verdict: Verdict
    cause: Cause
    transfer: Transfer | None = None
    #: Which inputs get the same values, where there are several.
    fed: InputsRow | None = None
    #: Why no input is valid for both models.
    inputs_apart: str | None = None
    #: Why a model does not compute what it did when it was saved, where the verdict would be equal.
    unrestored: str | None = None
    #: What was run, and the results; None where nothing had to be run.
    examination: Examination | None = None
    evidence: Evidence | None = None
    judgement: Judgement | None = None
    #: Where a difference begins, if it was found by calling layers one by one, or by the results
    #: inside another runtime.
    divergence: FirstDivergence | None = None
    #: The differences at valid and at padded steps, where a mask separates these.
    masked: MaskedDifference | None = None
    #: None where the saved weights were not to be compared, or a model did not build.
    saved_weights: SavedWeights | None = None
    #: Whether the models differ with the weights paired by position, and not in the order of calls.
    differs_by_position: bool = False
    #: How the models' own weights differ, where these were compared.
    own_weights: OwnWeights | None = None
    #: Whether weights that are stored with one model were replaced by those of a recording.
    overruled: bool = False


def decide(pair: Pair) -> Decision:
    """Judge one pair in one mode; shapes come before weights, and weights before values."""
    decision = _decided(pair)
    decision = replace(decision, fed=fed_alike(pair.reference, pair.candidate))
    unrestored = next(
        (
            side.unrestored
            for side in (pair.reference, pair.candidate)
            if isinstance(side, Built) and side.unrestored is not None
        ),
        None,
    )
    if decision.verdict == "equivalent" and unrestored is not None:
        return replace(decision, verdict="inconclusive", unrestored=unrestored)
    return decision


def fed_alike(reference: Model, candidate: Model) -> InputsRow | None:
    """Return which inputs of two models get the same values, where there are several."""
    if isinstance(reference, Refused) or isinstance(candidate, Refused):
        return None
    names = reference.input_names, candidate.input_names
    if len(names[0]) < 2 or len(names[0]) != len(names[1]):
        return None
    by_name = names[0] == names[1] and not any(map(is_generated_name, names[0]))
    pairs = tuple(zip(*names, strict=True))
    return InputsRow("by_name" if by_name else "by_position", pairs)


def _decided(pair: Pair) -> Decision:
    reference, candidate = pair.reference, pair.candidate
    if isinstance(reference, Refused) or isinstance(candidate, Refused):
        return Decision(pair, "build_error", "refused")
    pair = _lined_up(pair)
    reference, candidate = pair.reference, pair.candidate
    assert not isinstance(reference, Refused)
    assert not isinstance(candidate, Refused)
    transfer = _pair_weights(reference, candidate, pair.scenario.transfer)
    mismatch = _incomparable(reference, candidate, transfer)
    if mismatch is not None:
        cause: Cause = "shapes" if mismatch == "shape_mismatch" else "weights"
        return Decision(pair, mismatch, cause, transfer)
    reason = input_mismatch(reference, candidate)
    if reason is not None:
        return Decision(pair, "inconclusive", "inputs", transfer, inputs_apart=reason)
    if isinstance(reference, Frozen):
        assert isinstance(candidate, Built)  # two frozen models are refused before they are read
        return _by_frozen(pair, reference, candidate, transfer)
    if isinstance(candidate, Frozen):
        return _by_frozen(pair, candidate, reference, transfer)
    _refuse_beyond_memory(reference, candidate)
    decision = _by_running(pair, transfer)
    if pair.scenario.transfer == "none":
        return _with_own_weights(decision)
    if decision.verdict == "different":
        return _in_call_order(decision) or decision
    return decision


def _lined_up(pair: Pair) -> Pair:
    """Return the pair with an exported file that is fed like the other model."""
    reference, candidate = pair.reference, pair.candidate
    if isinstance(reference, Foreign) and isinstance(candidate, Built):
        return replace(pair, reference=line_up(reference, candidate))
    if isinstance(candidate, Foreign) and isinstance(reference, Built):
        return replace(pair, candidate=line_up(candidate, reference))
    return pair


def _pair_weights(
    reference: Built | Frozen, candidate: Built | Frozen, rule: TransferRule
) -> Transfer:
    """Pair the weights of two models; where positions do not fit, in the order of the calls.

    No weights are carried over to or from an exported file. Two forms of one callable mean the
    same weights by the same paths.
    """
    if any(isinstance(one, Foreign) and not one.runtime.is_open for one in (reference, candidate)):
        return Transfer("none", (), (), ())
    if rule == "auto" and any(map(_is_at_revision, (reference, candidate))):
        by_path = pair_model_weights(reference, candidate, "by_name")
        if by_path.complete and not by_path.keeps_own:
            return by_path
    transfer = pair_model_weights(reference, candidate, rule)
    if transfer.complete or not isinstance(reference, Built) or not isinstance(candidate, Built):
        return transfer
    return paired_by_calls(reference, candidate, rule, transfer) or transfer


def _is_at_revision(model: Built | Frozen) -> bool:
    return model.spec.runtime is not None and model.spec.runtime.revision is not None


def _in_call_order(decision: Decision) -> Decision | None:
    """Return the decision with the weights paired in the order of calls, if both are equal then.

    Positions mean little where a model lists its weights in another order than it uses them.
    """
    pair, transfer = decision.pair, decision.transfer
    assert isinstance(pair.reference, Built)
    assert isinstance(pair.candidate, Built)
    assert transfer is not None
    other = paired_by_calls(pair.reference, pair.candidate, pair.scenario.transfer, transfer)
    if other is None:
        return None
    found = _by_running(pair, other)
    return replace(found, differs_by_position=True) if found.verdict == "equivalent" else None


def _with_own_weights(decision: Decision) -> Decision:
    """Add how the models' own weights differ, and whether that is what makes the models differ."""
    pair, examination, evidence = decision.pair, decision.examination, decision.evidence
    if examination is None or not examination.sets or evidence is None:
        return decision
    reference, candidate = examination.models
    transfer = _pair_weights(reference, candidate, "auto")
    initial = examination.sets[0]
    comparison = compare_weights(transfer, initial.reference, initial.candidate)
    if not comparison.differing:
        return decision
    carried: Verdict | None = None
    is_free = transfer.complete and not any(map(given_weights, examination.models))
    if decision.verdict == "different" and is_free and pair.shows:
        carried = _decided(replace(pair, scenario=replace(pair.scenario, transfer="auto"))).verdict
    return replace(
        decision,
        evidence=replace(evidence, also_differs=(*evidence.also_differs, "weights")),
        own_weights=OwnWeights(comparison, carried),
    )


def _by_frozen(pair: Pair, frozen: Frozen, live: Built, transfer: Transfer) -> Decision:
    """Return the decision on a pair of which Keras runs one model here, and not the other."""
    error = running_beyond_memory("comparing", live)
    if error is not None:
        raise error
    if isinstance(frozen, Foreign) and not frozen.runtime.is_open:
        refuse_without_weights(frozen, live, pair.variants)
        named = with_named_weights(frozen, live)
        pair, frozen = _with(pair, frozen, named), named
    found = compare_with_frozen(pair, frozen, live, transfer)
    evidence, judgement = found.evidence, found.judgement
    if evidence.refusal is not None:
        return Decision(pair, "build_error", "call", transfer, evidence=evidence)
    if evidence.shape_surprise is not None:
        return Decision(pair, "shape_mismatch", "called_shape", transfer, evidence=evidence)
    assert judgement is not None
    return Decision(
        pair if found.frozen is None else _with(pair, frozen, found.frozen),
        judgement.verdict,
        "outputs",
        transfer,
        evidence=evidence,
        judgement=judgement,
        overruled=found.overruled,
        divergence=found.divergence,
    )


def _with(pair: Pair, old: Frozen, new: Frozen) -> Pair:
    """Return the pair with another model in the place of one."""
    if pair.reference is old:
        return replace(pair, reference=new)
    return replace(pair, candidate=new)


def has_to_run(reference: Model, candidate: Model, rule: TransferRule) -> bool:
    """Return whether two models, which may be drafts, have to be run for a verdict.

    Raises:
        MemoryLimitError: running them needs more memory than is free.
        ScenarioError: the transfer does not fit the models.
    """
    if isinstance(reference, Refused) or isinstance(candidate, Refused):
        return False
    transfer = _pair_weights(reference, candidate, rule)
    if _incomparable(reference, candidate, transfer) is not None:
        return False
    if input_mismatch(reference, candidate) is not None:
        return False
    if isinstance(reference, Built) and isinstance(candidate, Built):
        _refuse_beyond_memory(reference, candidate)
    return True


def _incomparable(
    reference: Built | Frozen, candidate: Built | Frozen, transfer: Transfer
) -> Literal["shape_mismatch", "param_mismatch"] | None:
    """Return the verdict on two models whose shapes or weights do not match; else None."""
    if not _same_shape(reference.report.output_shape, candidate.report.output_shape):
        return "shape_mismatch"
    return None if transfer.complete else "param_mismatch"


def _refuse_beyond_memory(reference: Built, candidate: Built) -> None:
    error = beyond_memory(reference, candidate)
    if error is not None:
        raise error


def beyond_memory(reference: Built, candidate: Built) -> MemoryLimitError | None:
    """Return the error where comparing two models needs more memory than is free."""
    return running_beyond_memory("comparing", reference, candidate)


def _by_running(pair: Pair, transfer: Transfer) -> Decision:
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
    for weights in layers.weight_sets():
        found = layers.observe(weights)
        if found is None:
            return None
        seen = found.observation
        judgement = found.judged(pair.scenario.tolerance)
        if judgement.verdict != "different" or judgement.witness is None:
            observed.append(weights)
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
        return _judge(rounding, in_range, tolerance)

    judgement = _within_range(in_range, judged(), tolerance)
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
        judgement = _beside_proof(judgement)
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


def _beside_proof(judgement: Judgement) -> Judgement:
    """Return the judgement on a pair that is proved equal in exact arithmetic.

    A difference is real where a model differs from itself, or where a number leaves the range of
    floats, which exact arithmetic does not have. Any other contradicts the proof: either rounding
    was not recognized, or the proof is wrong.
    """
    shown = judgement.witness
    if judgement.verdict != "different" or shown is None or shown.inconsistent is not None:
        return judgement
    seen, k = shown.observation, shown.output
    values = [
        outputs[k][shown.index]
        for outputs in (seen.reference, seen.candidate, seen.reference64, seen.candidate64)
    ]
    if not np.isfinite(np.asarray(values, np.float64)).all():
        return judgement
    probe = seen.batch.name_of(shown.sample)
    reason = (
        "exact arithmetic proves that both are the same function, but they differ in float64 on "
        f"probe `{probe}` by more than was recognized as rounding"
    )
    return replace(
        judgement, verdict="inconclusive", witness=None, only_at_initialization=False, reason=reason
    )


def _judge(rounding: RoundingCheck, in_range: RangeCheck, tolerance: Tolerance | None) -> Judgement:
    """Judge; where the float64 outputs differ, find out whether rounding explains that.

    First measure rounding inside the models, then constants that are rounded to float32.
    """
    judgement = _judge_observations(rounding, in_range, tolerance)
    if tolerance is not None:
        return judgement
    if judgement.verdict == "different" and not judgement.near_rounding:
        judgement = _with_inner_rounding(rounding, in_range, judgement)
    if not _may_be_rounding(judgement):
        return judgement
    if rounding.measure_inner_rounding():
        judgement = _judge_observations(rounding, in_range)
        if not _may_be_rounding(judgement):
            return judgement
    if rounding.measure_constants():
        judgement = _judge_observations(rounding, in_range)
        if not _may_be_rounding(judgement):
            return judgement
    if not rounding.float32_residue():
        return judgement
    return _judge_observations(rounding, in_range, residue=True)


def _with_inner_rounding(
    rounding: RoundingCheck, in_range: RangeCheck, judgement: Judgement
) -> Judgement:
    """Measure rounding inside the models for each witness, until a difference remains."""
    while (witness := judgement.witness) is not None and witness.inconsistent is None:
        if not rounding.may_absorb(witness):
            break
        if not rounding.measure_inner_rounding_of(witness.observation):
            break
        judgement = _judge_observations(rounding, in_range)
    return judgement


def _within_range(
    in_range: RangeCheck, judgement: Judgement, tolerance: Tolerance | None
) -> Judgement:
    """Return `different` where one model is out of the range of half precision.

    In float64 there is no such difference, and in working precision it would pass for rounding.
    """
    shown = judgement.witness
    if tolerance is not None or (shown is not None and shown.observation.exact):
        return judgement
    found = in_range.find_out_of_range()
    if found is None:
        return judgement
    return as_different(judgement, *found)


def _may_be_rounding(judgement: Judgement) -> bool:
    return judgement.verdict != "equivalent" and judgement.near_rounding


def _judge_observations(
    rounding: RoundingCheck,
    in_range: RangeCheck,
    tolerance: Tolerance | None = None,
    *,
    residue: bool = False,
) -> Judgement:
    """Judge; a model whose result depends on the way of calling has to do so in float64 too."""
    seen = in_range.observations()
    steady = rounding.examination.any_random()
    judgement = judge(seen, tolerance=tolerance, residue=residue, steady=steady)
    witness = judgement.witness
    if witness is None or not witness.inconsistent or rounding.confirms(witness):
        return judgement
    return judge(seen, tolerance=tolerance, residue=residue, steady=True)


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


def _same_shape(one: Any, other: Any) -> bool:
    """Return whether two announced shapes agree; an open axis agrees with any length."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same_shape, one, other))
    if isinstance(one, tuple) or isinstance(other, tuple):
        return False
    return one is None or other is None or one == other
