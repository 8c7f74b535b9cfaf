"""Two models of a scenario, built or refused, become the report of their pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from layerlens import explaining
from layerlens.asides import also_differs
from layerlens.building import Built, Refused
from layerlens.certifying import certify
from layerlens.comparing import as_plain
from layerlens.evidence import Evidence
from layerlens.examining import DYNAMIC, Examination
from layerlens.judging import Judgement, Witness, judge
from layerlens.measuring import weight_rows
from layerlens.probes import join
from layerlens.randomness import distributions_differ
from layerlens.report import Counterexample, PairReport, Strength
from layerlens.scenario import Mode, Scenario, Tolerance
from layerlens.searching import search
from layerlens.sides import Side
from layerlens.transfer import Transfer, pair_weights


@dataclass(frozen=True, slots=True)
class Pair:
    """What deciding needs: both models, the mode, and how to get a model in float64."""

    scenario: Scenario
    reference: Built | Refused
    candidate: Built | Refused
    mode: Mode
    seed: int
    in_float64: Callable[[Built], Built]


def decide(pair: Pair) -> PairReport:
    """Judge one pair in one mode; shapes are told before weights, and weights before values."""
    reference, candidate = pair.reference, pair.candidate
    for side in (reference, candidate):
        if isinstance(side, Refused):
            return _early(pair, "build_error", explaining.refused(side.report))
    assert isinstance(reference, Built) and isinstance(candidate, Built)
    if not _same_shape(reference.report.output_shape, candidate.report.output_shape):
        return _early(
            pair, "shape_mismatch", explaining.shapes(reference.report, candidate.report)
        )
    transfer = pair_weights(
        weight_rows(reference), weight_rows(candidate), pair.scenario.transfer
    )
    if not transfer.complete:
        return _early(
            pair, "param_mismatch", explaining.weights(reference.report, candidate.report, transfer),
            transfer,
        )
    return _by_running(pair, reference, candidate, transfer)


def _by_running(
    pair: Pair, reference: Built, candidate: Built, transfer: Transfer
) -> PairReport:
    training = pair.mode == "training"
    one, other = (
        Side.of(built.spec.name, built, pair.in_float64(built), training=training, seed=pair.seed)
        for built in (reference, candidate)
    )
    examination = Examination(one, other, transfer, pair.seed)
    evidence = examination.run()
    if evidence.refusal is not None:
        return _early(pair, "build_error", explaining.call_refused(evidence.refusal), transfer)
    if evidence.shape_surprise is not None:
        text = explaining.shape_surprise(evidence.shape_surprise)
        return _early(pair, "shape_mismatch", text, transfer)
    return _report(pair, transfer, *_judged(pair, examination, evidence))


def _judged(
    pair: Pair, examination: Examination, evidence: Evidence
) -> tuple[Evidence, Judgement]:
    """Judge what was observed, and look further wherever that does not settle it."""
    one, other = examination.reference, examination.candidate
    tolerance = pair.scenario.tolerance
    certificate = None
    if pair.mode == "inference" and tolerance is None:
        certificate = certify(one, other, examination.transfer, seed=pair.seed)
    judgement = _judge(examination, tolerance)
    if judgement.verdict == "equivalent" and certificate is None and tolerance is None:
        if _search(examination):
            judgement = _judge(examination, tolerance)
    by_distribution = False
    if judgement.verdict == "different" and examination.both_random():
        by_distribution = not distributions_differ(
            one, other, examination.main_values(), examination.generic_inputs(), pair.seed
        )
        if by_distribution:
            reason = explaining.SAME_DISTRIBUTION
            judgement = replace(judgement, verdict="equivalent", witness=None, reason=reason)
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
    evidence = replace(
        evidence,
        observations=tuple(examination.observations),
        certificate=certificate if passes else None,
        also_differs=tuple(aside),
        unseen=examination.unseen() if passes and certificate is None else (),
        by_distribution=by_distribution,
    )
    return evidence, judgement


def _judge(examination: Examination, tolerance: Tolerance | None) -> Judgement:
    """Judge; where float64 leaves something, find out whether float32 constants explain it."""
    seen = examination.observations
    steady = examination.any_random()
    judgement = judge(seen, tolerance=tolerance, steady=steady)
    if judgement.witness is not None and judgement.witness.inconsistent:
        if examination.confirms(judgement.witness):
            return judgement
        steady = True
        judgement = judge(seen, tolerance=tolerance, steady=steady)
    if judgement.verdict == "equivalent" or tolerance is not None:
        return judgement
    if not examination.float32_residue():
        return judgement
    return judge(seen, tolerance=tolerance, residue=True, steady=steady)


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
    examination.observe(examination.sets[found[0]], join([found[1]]), DYNAMIC)
    return True


def _report(
    pair: Pair, transfer: Transfer, evidence: Evidence, judgement: Judgement
) -> PairReport:
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
        counterexample=_counterexample(judgement.witness) if judgement.witness else None,
        only_at_initialization=judgement.only_at_initialization,
        transfer=transfer.to_row(),
        certificate=evidence.certificate,
        also_differs=evidence.also_differs,
        unseen=evidence.unseen,
    )


def _strength(evidence: Evidence) -> Strength:
    if evidence.certificate is not None:
        return "certified"
    return "weak" if evidence.unseen or evidence.by_distribution else "tested"


def _counterexample(witness: Witness) -> Counterexample:
    observation, k = witness.observation, witness.output
    sample = witness.sample
    inputs = {
        position: as_plain(array[sample : sample + 1])
        for position, array in enumerate(observation.batch.inputs)
    }
    return Counterexample(
        probe=observation.batch.name_of(sample),
        execution=observation.execution,
        index=(0, *witness.index[1:]),
        reference=as_plain(observation.reference[k][witness.index]),
        candidate=as_plain(observation.candidate[k][witness.index]),
        input=inputs[0] if len(inputs) == 1 else inputs,
    )


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
