"""Two models of a scenario, built or refused, become the report of their pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any, Literal

from layerlens.compare.also_differs import also_differs
from layerlens.compare.examination import DYNAMIC, Examination
from layerlens.compare.integer_overflow import losses
from layerlens.compare.masked_steps import masked_difference
from layerlens.compare.random_outputs import judge_random
from layerlens.compare.search import search
from layerlens.errors import MemoryLimitError
from layerlens.explain import verdict_sentences as explaining
from layerlens.explain.argument_gaps import arguments_apart
from layerlens.explain.difference_check import Contest
from layerlens.explain.first_divergence import Divergence, first_divergence, first_inconsistency
from layerlens.explain.relations import relation
from layerlens.explain.shrink import as_seen, shrink
from layerlens.models.build.constants import Change
from layerlens.models.build.request import Built, Refused
from layerlens.models.execute.graph_size import model_graph_ops
from layerlens.models.execute.input_domains import inputs_apart
from layerlens.models.execute.running_memory import running_beyond_memory
from layerlens.models.execute.two_precisions import Side
from layerlens.models.execute.variables import paired
from layerlens.models.inspect.input_order import is_automatic
from layerlens.numerics.flat_input import as_arrays
from layerlens.numerics.heat_map import differences_map
from layerlens.numerics.judge import Judgement, judge, with_mismatch
from layerlens.numerics.observation import Evidence, Refusal, ShapeSurprise
from layerlens.numerics.probes import join
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.certify import certify
from layerlens.report import AlsoDiffers, InputsRow, PairReport, Strength
from layerlens.scenario.spec import Scenario, Tolerance
from layerlens.vocabulary import Mode, TransferMethod

#: What differs beside the output with every draw, however alike the distributions are.
OF_A_DRAW = ("gradients", "non_finite")


@dataclass(frozen=True, slots=True)
class Pair:
    """What deciding needs: both models, the mode, and how to get a model in float64."""

    scenario: Scenario
    reference: Built | Refused
    candidate: Built | Refused
    mode: Mode
    seed: int
    in_float64: Callable[[Built], Built | Refused]
    #: The model in float64 with the numbers in its configuration changed, if it has any.
    with_numbers: Callable[[Built, Change], Built | None]
    #: Whether a difference is to be shown: made small, and where it begins.
    shows: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """The report of a pair, and what it leaves for others to use."""

    report: PairReport
    #: A model that builds and refuses to be called.
    refusal: Refusal | None = None
    #: A call that gave another shape than announced.
    surprise: ShapeSurprise | None = None
    #: What the counterexample was found with.
    contest: Contest | None = None
    #: Where the models part, and what they were fed there.
    divergence: Divergence | None = None
    #: What layers lose there because they compute in whole numbers.
    losses: tuple[str, ...] = ()
    #: How many operations the graphs of the models have that were traced on the way.
    graph_ops: Mapping[str, int] = field(default_factory=dict)


def decide(pair: Pair) -> Decision:
    """Judge one pair in one mode; shapes are told before weights, and weights before values."""
    decision = _decided(pair)
    reference, candidate = pair.reference, pair.candidate
    fed = fed_alike(reference, candidate)
    report = replace(decision.report, inputs=fed)
    unrestored = next(
        (
            side.unrestored
            for side in (reference, candidate)
            if isinstance(side, Built) and side.unrestored is not None
        ),
        None,
    )
    if report.verdict == "equivalent" and unrestored is not None:
        text = explaining.unrestored(reference.report, candidate.report, unrestored)
        report = replace(report, verdict="inconclusive", strength=None, explanation=text)
    told = [explaining.notes(reference.report, candidate.report)]
    if isinstance(reference, Built) and isinstance(candidate, Built) and fed is not None:
        told.append(explaining.fed(fed, reference.listed_names, candidate.listed_names))
    for more in told:
        report = replace(report, explanation=explaining.joined(report.explanation, more))
    return replace(decision, report=report)


def fed_alike(reference: Built | Refused, candidate: Built | Refused) -> InputsRow | None:
    """Return which inputs of two models are fed the same, where there are several."""
    if not isinstance(reference, Built) or not isinstance(candidate, Built):
        return None
    names = reference.input_names, candidate.input_names
    if len(names[0]) < 2 or len(names[0]) != len(names[1]):
        return None
    by_name = names[0] == names[1] and not any(map(is_automatic, names[0]))
    pairs = tuple(zip(*names, strict=True))
    return InputsRow("by_name" if by_name else "by_position", pairs)


def _decided(pair: Pair) -> Decision:
    reference, candidate = pair.reference, pair.candidate
    refused = [side for side in (reference, candidate) if isinstance(side, Refused)]
    if refused:
        text = " ".join(explaining.refused(side.report) for side in refused)
        return Decision(_early(pair, "build_error", text))
    assert isinstance(reference, Built)
    assert isinstance(candidate, Built)
    transfer = paired(reference, candidate, pair.scenario.transfer)
    early = _told_apart(reference, candidate, transfer)
    if early == "shape_mismatch":
        text = explaining.shapes(reference.report, candidate.report)
        made = transfer.complete and reference.allocated and candidate.allocated
        runs = made and _beyond_memory(reference, candidate) is None
        told = relation(*_sides(pair), transfer, pair.seed) if runs else None
        return Decision(_early(pair, early, explaining.joined(text, told), transfer))
    if early == "param_mismatch":
        text = explaining.weights(reference.report, candidate.report, transfer)
        text = explaining.joined(text, arguments_apart(reference, candidate))
        return Decision(_early(pair, early, text, transfer))
    apart = inputs_apart(reference, candidate)
    if apart is not None:
        text = explaining.inputs(reference.report, candidate.report, apart)
        return Decision(_early(pair, "inconclusive", text, transfer))
    _refuse_beyond_memory(reference, candidate)
    return _by_running(pair, transfer)


def has_to_run(
    reference: Built | Refused, candidate: Built | Refused, method: TransferMethod
) -> bool:
    """Tell whether two models, which may be drafts, have to be run for a verdict.

    Raises:
        MemoryLimitError: they have to, and that needs more memory than is free.
    """
    if isinstance(reference, Refused) or isinstance(candidate, Refused):
        return False
    transfer = paired(reference, candidate, method)
    if _told_apart(reference, candidate, transfer) is not None:
        return False
    if inputs_apart(reference, candidate) is not None:
        return False
    _refuse_beyond_memory(reference, candidate)
    return True


def _told_apart(
    reference: Built, candidate: Built, transfer: Transfer
) -> Literal["shape_mismatch", "param_mismatch"] | None:
    """Return what keeps two models from being compared at all: shapes before weights."""
    if not _same_shape(reference.report.output_shape, candidate.report.output_shape):
        return "shape_mismatch"
    return None if transfer.complete else "param_mismatch"


def _refuse_beyond_memory(reference: Built, candidate: Built) -> None:
    error = _beyond_memory(reference, candidate)
    if error is not None:
        raise error


def _sides(pair: Pair) -> tuple[Side, Side]:
    training = pair.mode == "training"
    sides = []
    for built in (pair.reference, pair.candidate):
        assert isinstance(built, Built)
        double = pair.in_float64(built)
        exact = isinstance(double, Built) and double.precision == "float64"
        twin = double if isinstance(double, Built) and exact else built
        side = Side.of(built.spec.name, built, twin, training=training, seed=pair.seed)
        side.with_numbers = partial(pair.with_numbers, built)
        sides.append(side)
    if not all(side.is_exact for side in sides):
        # Only the same precision draws the same random numbers, and rounds the same constants.
        for side in sides:
            side.leave_float64()
    size = next((side.built.batch_size for side in sides if side.built.batch_size), None)
    if training and size is not None:
        for side in sides:
            side.bind(size)
    return sides[0], sides[1]


def _beyond_memory(reference: Built, candidate: Built) -> MemoryLimitError | None:
    return running_beyond_memory("comparing", reference, candidate)


def _by_running(pair: Pair, transfer: Transfer) -> Decision:
    sides = _sides(pair)
    speaks = pair.mode == "inference" and pair.scenario.tolerance is None
    proof = partial(certify, *sides, transfer, seed=pair.seed) if speaks else None
    examination = Examination(*sides, transfer, pair.seed, proof)
    decision = _examined(pair, transfer, examination)
    return replace(decision, graph_ops=_graph_ops(examination))


def _graph_ops(examination: Examination) -> dict[str, int]:
    sides = (examination.reference, examination.candidate)
    found = {side.name: model_graph_ops(side.working) for side in sides}
    return {name: ops for name, ops in found.items() if ops is not None}


def _examined(pair: Pair, transfer: Transfer, examination: Examination) -> Decision:
    evidence = examination.run()
    if evidence.refusal is not None:
        text = explaining.call_refused(evidence.refusal)
        return Decision(_early(pair, "build_error", text, transfer), refusal=evidence.refusal)
    if evidence.shape_surprise is not None:
        text = explaining.shape_surprise(evidence.shape_surprise)
        early = _early(pair, "shape_mismatch", text, transfer)
        return Decision(early, surprise=evidence.shape_surprise)
    evidence, judgement = _judged(pair, examination, evidence)
    report = _report(pair, transfer, evidence, judgement)
    report = replace(report, masked=masked_difference(examination, pair.scenario.tolerance))
    about = explaining.about_weights(
        report, transfer, overruled=examination.overrules_stored_weights()
    )
    report = replace(report, explanation=explaining.joined(report.explanation, about))
    misannounced = examination.observer.misannounced
    if misannounced is not None:
        about = explaining.misannounced(misannounced)
        report = replace(report, explanation=explaining.joined(report.explanation, about))
    if report.verdict == "equivalent":
        for about in _of_lengths(examination):
            report = replace(report, explanation=explaining.joined(report.explanation, about))
    witness = judgement.witness
    if witness is None or not pair.shows:
        return Decision(report)
    if judgement.reason:  # no second call shows the same again
        seen = as_seen(witness, examination.reference.built.inputs)
        return Decision(replace(report, counterexample=seen))
    weights = examination.weights_of(witness.observation)
    contest = Contest(
        examination.reference,
        examination.candidate,
        weights.reference,
        weights.candidate,
        witness,
        judgement.residue,
        pair.scenario.tolerance,
    )
    return _shown(examination, contest, report)


def _of_lengths(examination: Examination) -> tuple[str | None, ...]:
    """Tell what lengths a pass does not speak of."""
    if examination.certificate is not None:
        return ()
    longest = examination.longest_tried
    return (
        explaining.beyond_lengths(examination.reach.shortfall, longest),
        explaining.unknown_lengths(examination.unknown_layers, longest),
    )


def _shown(examination: Examination, contest: Contest, report: PairReport) -> Decision:
    """Add to the report of a difference where it shows best, and where it begins."""
    one, other, witness = contest.reference, contest.candidate, contest.witness
    values = contest.weights_reference, contest.weights_candidate
    counterexample = shrink(
        one, other, *values, witness, residue=contest.residue, tolerance=contest.tolerance
    )
    inputs = as_arrays(counterexample.input, one.built.inputs)
    told = None
    lost: tuple[str, ...] = ()
    if witness.inconsistent is None:
        divergence = first_divergence(one, other, *values, inputs, residue=contest.residue)
        lost = (*losses(one, values[0], inputs), *losses(other, values[1], inputs))
        seen = examination.observations
        told = relation(one, other, examination.transfer, examination.seed, seen)
    else:
        side, own = (one, values[0]) if witness.inconsistent == "reference" else (other, values[1])
        divergence = first_inconsistency(
            side, own, inputs, "traced_dynamic", witness.observation.execution
        )
    report = replace(
        report,
        counterexample=counterexample,
        first_divergence=divergence.row if divergence is not None else None,
        explanation=reduce(explaining.joined, (told, *lost), report.explanation),
    )
    return Decision(report, contest=contest, divergence=divergence, losses=lost)


def _judged(pair: Pair, examination: Examination, evidence: Evidence) -> tuple[Evidence, Judgement]:
    """Judge what was observed, and look further wherever that does not settle it."""
    one, other = examination.reference, examination.candidate
    tolerance = pair.scenario.tolerance
    judgement = _within_range(examination, _judge(examination, tolerance), tolerance)
    passes = judgement.verdict == "equivalent"
    certificate = examination.find_certificate() if passes else None
    if judgement.verdict == "equivalent" and certificate is None and _search(examination):
        judgement = _judge(examination, tolerance)
    shown = judgement.witness if judgement.only_at_initialization else None
    if shown is not None and examination.observe_at_initialization(shown):
        judgement = _judge(examination, tolerance)
    judgement, by_distribution = judge_random(examination, judgement, tolerance)
    passes = judgement.verdict == "equivalent"
    aside = also_differs(
        one,
        other,
        examination.main_values(),
        examination.generic_inputs(),
        examination.padded_inputs(),
        examination.transfer,
        gradients=certificate is None,
    )
    overflow: tuple[AlsoDiffers, ...] = ("overflow",) if examination.overflows() else ()
    evidence = replace(
        evidence,
        observations=tuple(examination.within_range()),
        certificate=certificate,
        # What is drawn differs from call to call, and with it what depends on the draw.
        also_differs=(
            *(a for a in aside if not (by_distribution and a in OF_A_DRAW)),
            *overflow,
        ),
        unseen=examination.unseen() if passes and certificate is None else (),
        by_distribution=by_distribution,
    )
    return evidence, judgement


def _judge(examination: Examination, tolerance: Tolerance | None) -> Judgement:
    """Judge; where float64 leaves something, find out whether rounding explains it after all.

    First what rounding inside the models leaves, then constants that are rounded to float32.
    """
    judgement = _confirmed(examination, tolerance)
    if tolerance is not None:
        return judgement
    if judgement.verdict == "different" and not judgement.near_rounding:
        judgement = _where_it_shows(examination, judgement)
    if not _may_be_rounding(judgement):
        return judgement
    if examination.measure_inner_rounding():
        judgement = _confirmed(examination)
        if not _may_be_rounding(judgement):
            return judgement
    if examination.measure_constants():
        judgement = _confirmed(examination)
        if not _may_be_rounding(judgement):
            return judgement
    if not examination.float32_residue():
        return judgement
    return _confirmed(examination, residue=True)


def _where_it_shows(examination: Examination, judgement: Judgement) -> Judgement:
    """Look at rounding inside the models where a difference shows best, until one stays."""
    while (witness := judgement.witness) is not None and witness.inconsistent is None:
        if not examination.may_absorb(witness):
            break
        if not examination.measure_inner_rounding_of(witness.observation):
            break
        judgement = _confirmed(examination)
    return judgement


def _within_range(
    examination: Examination, judgement: Judgement, tolerance: Tolerance | None
) -> Judgement:
    """Tell a difference that is there because a model left the range of half precision.

    In float64 there is none, and in working precision it would pass for rounding.
    """
    shown = judgement.witness
    if tolerance is not None or (shown is not None and shown.observation.exact):
        return judgement
    found = examination.leaving_range()
    if found is None:
        return judgement
    witness, reason = found
    return replace(
        judgement,
        verdict="different",
        difference=with_mismatch(judgement.difference),
        witness=witness,
        only_at_initialization=False,
        reason=reason,
    )


def _may_be_rounding(judgement: Judgement) -> bool:
    return judgement.verdict != "equivalent" and judgement.near_rounding


def _confirmed(
    examination: Examination, tolerance: Tolerance | None = None, *, residue: bool = False
) -> Judgement:
    """Judge; a model that strays from itself has to do so in float64 as well."""
    seen = examination.within_range()
    steady = examination.any_random()
    judgement = judge(seen, tolerance=tolerance, residue=residue, steady=steady)
    witness = judgement.witness
    if witness is None or not witness.inconsistent or examination.confirms(witness):
        return judgement
    return judge(seen, tolerance=tolerance, residue=residue, steady=True)


def _search(examination: Examination) -> bool:
    """Search for an input on which the two differ more; observe what was found."""
    found = search(
        examination.reference,
        examination.candidate,
        [(weights.reference, weights.candidate) for weights in examination.sets],
        examination.domains,
        examination.seed,
        constants=examination.constants(),
    )
    if found is None:
        return False
    examination.observe(examination.sets[found[0]], join([found[1]]), DYNAMIC, chosen=True)
    return True


def _report(pair: Pair, transfer: Transfer, evidence: Evidence, judgement: Judgement) -> PairReport:
    difference = judgement.difference
    return PairReport(
        reference=pair.reference.spec.name,
        candidate=pair.candidate.spec.name,
        mode=pair.mode,
        verdict=judgement.verdict,
        strength=_strength(evidence) if judgement.verdict == "equivalent" else None,
        explanation=explaining.judged(pair.reference.report, pair.candidate.report, judgement),
        max_abs=difference.max_abs if difference else None,
        max_rel=difference.max_rel if difference else None,
        max_ulp=difference.max_ulp if difference else None,
        mismatched=difference.mismatched if difference else None,
        compared=difference.compared if difference else None,
        rounding=judgement.rounding,
        probes=judgement.probes,
        only_at_initialization=judgement.only_at_initialization,
        transfer=transfer.to_row(),
        certificate=evidence.certificate,
        also_differs=evidence.also_differs,
        unseen=evidence.unseen,
        differences=differences_map(evidence.observations),
    )


def _strength(evidence: Evidence) -> Strength:
    if evidence.certificate is not None:
        return "certified"
    return "weak" if evidence.unseen or evidence.by_distribution else "tested"


def _early(pair: Pair, verdict: Any, text: str, transfer: Transfer | None = None) -> PairReport:
    """Report a pair that was decided before any output was compared."""
    return PairReport(
        reference=pair.reference.spec.name,
        candidate=pair.candidate.spec.name,
        mode=pair.mode,
        verdict=verdict,
        strength=None,
        explanation=text,
        transfer=transfer.to_row() if transfer else None,
    )


def _same_shape(one: Any, other: Any) -> bool:
    """Tell whether two announced shapes agree; an axis that either leaves open is seen when run."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same_shape, one, other))
    if isinstance(one, tuple) or isinstance(other, tuple):
        return False
    return one is None or other is None or one == other
