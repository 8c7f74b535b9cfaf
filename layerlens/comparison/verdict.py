"""Decide whether two models of a scenario, built or refused, compute the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerlens.comparison.against_frozen import compare_with_frozen
from layerlens.comparison.by_running import decide_by_running
from layerlens.comparison.decision import Decision, OwnWeights
from layerlens.comparison.foreign_answers import refuse_without_weights
from layerlens.comparison.named_weights import with_named_weights
from layerlens.comparison.output_shapes import (
    Misannounced,
    Outputs,
    misannounced,
    output_shapes,
)
from layerlens.comparison.pair import Pair
from layerlens.errors import MemoryLimitError
from layerlens.models.build.request import Built, Foreign, Frozen, Model, Refused
from layerlens.models.execute.call_order import paired_by_calls
from layerlens.models.execute.input_domains import input_mismatch
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.execute.running_memory import running_beyond_memory
from layerlens.models.execute.variables import given_weights, pair_model_weights
from layerlens.models.external.line_up import line_up
from layerlens.models.inspect.input_order import is_generated_name
from layerlens.numerics.weight_differences import compare_weights
from layerlens.numerics.weight_transfer import Transfer
from layerlens.report.pairs import InputsRow
from layerlens.scenario.spec import TransferRule
from layerlens.vocabulary import Verdict

#: The verdicts after which no other way to feed an exported file is tried.
_AGREEING: tuple[Verdict, ...] = ("equivalent", "within_quantization")


def decide(pair: Pair) -> Decision:
    """Judge one pair in one mode; shapes come before weights, and weights before values."""
    decision = _decided(pair)
    found = decision.pair  # with an exported file that is lined up
    decision = replace(
        decision,
        fed=fed_alike(found.reference, found.candidate),
        misannounced=decision.misannounced or _misannounced(decision),
    )
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
    pairs = tuple(zip(*names, strict=True))
    if names[0] == names[1] and not any(map(is_generated_name, names[0])):
        return InputsRow("by_name", pairs)
    by_shape = any(isinstance(one, Foreign) and one.is_reordered for one in (reference, candidate))
    by_shape = by_shape and not all(map(is_generated_name, (*names[0], *names[1])))
    return InputsRow("by_shape" if by_shape else "by_position", pairs)


def _decided(pair: Pair) -> Decision:
    reference, candidate = pair.reference, pair.candidate
    if isinstance(reference, Refused) or isinstance(candidate, Refused):
        return Decision(pair, "build_error", "refused")
    lined_up = _lined_up(reference, candidate)
    first, *others = (
        replace(pair, reference=one, candidate=other) for one, other in lined_up.pairs
    )
    if not others:
        return _decided_as_lined_up(first)
    with restoring_weights(reference, candidate):
        decision = _decided_as_lined_up(first)
    if decision.verdict in _AGREEING:
        return _with_remark(decision, lined_up.agreed)
    unclear = None
    for other, guess in zip(others, lined_up.guesses[1:], strict=True):
        with restoring_weights(reference, candidate):
            found = _decided_as_lined_up(replace(other, shows=False))
        if found.verdict in _AGREEING and guess is None:
            return _with_remark(found, lined_up.agreed)
        if found.verdict in _AGREEING and guess is not None and found.judgement is not None:
            undecided = replace(found.judgement, verdict="inconclusive", reason=guess)
            found = replace(found, verdict="inconclusive", judgement=undecided)
        if found.verdict == "inconclusive" and found.cause == "outputs":
            unclear = unclear or found
    return unclear or _with_remark(decision, lined_up.also_tried)


def _decided_as_lined_up(pair: Pair) -> Decision:
    reference, candidate = pair.reference, pair.candidate
    assert not isinstance(reference, Refused)
    assert not isinstance(candidate, Refused)
    transfer = _pair_weights(reference, candidate, pair.scenario.transfer)
    shapes = output_shapes(reference, candidate, training=pair.mode == "training")
    reason = input_mismatch(reference, candidate)
    apart = Decision(
        pair,
        "shape_mismatch",
        "shapes",
        transfer,
        shapes=shapes,
        misannounced=shapes.misannounced,
    )
    if shapes.apart or (shapes.is_open and not (transfer.complete and reason is None)):
        return apart
    if not transfer.complete:
        return replace(apart, verdict="param_mismatch", cause="weights", shapes=None)
    if reason is not None:
        return replace(
            apart, verdict="inconclusive", cause="inputs", shapes=None, inputs_apart=reason
        )
    decision = _decided_by_outputs(pair, transfer)
    return apart if shapes.is_open and _is_as_announced(decision) else decision


def _decided_by_outputs(pair: Pair, transfer: Transfer) -> Decision:
    """Return the decision on two models whose shapes and weights match."""
    reference, candidate = pair.reference, pair.candidate
    assert not isinstance(reference, Refused)
    assert not isinstance(candidate, Refused)
    if isinstance(reference, Frozen):
        assert isinstance(candidate, Built)  # two frozen models are refused before they are read
        return _by_frozen(pair, reference, candidate, transfer)
    if isinstance(candidate, Frozen):
        return _by_frozen(pair, candidate, reference, transfer)
    _refuse_beyond_memory(reference, candidate)
    decision = decide_by_running(pair, transfer)
    if pair.scenario.transfer == "none":
        return _with_own_weights(decision)
    if decision.verdict == "different":
        return _in_call_order(decision) or decision
    return decision


def _is_as_announced(decision: Decision) -> bool:
    """Return whether calls gave the announced shapes, or failed in some ways of calling only."""
    if decision.cause == "called_shape":
        return not _misannounced(decision)
    refusal = None if decision.evidence is None else decision.evidence.refusal
    return refusal is not None and not refusal.everywhere


def _misannounced(decision: Decision) -> tuple[Misannounced, ...]:
    """Return the models whose outputs, as observed, have other shapes than Keras announces."""
    pair, evidence = decision.pair, decision.evidence
    if evidence is None:
        return ()
    seen, surprise = evidence.observations, evidence.shape_surprise
    shapes: list[list[Outputs]] = [
        [tuple(array.shape for array in outputs) for outputs in each]
        for each in ([one.reference for one in seen], [one.candidate for one in seen])
    ]
    if surprise is not None:
        shapes[0].append(surprise.reference)
        shapes[1].append(surprise.candidate)
    found = []
    for model, outputs in zip((pair.reference, pair.candidate), shapes, strict=True):
        assert not isinstance(model, Refused)
        each = (
            misannounced(model, one, training=pair.mode == "training")
            for one in dict.fromkeys(outputs)
        )
        found += [one for one in each if one is not None][:1]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _LinedUp:
    """Two models in each way in which they fit, and what to say if they agree in none or in one."""

    pairs: tuple[tuple[Built | Frozen, Built | Frozen], ...]
    #: For each way, why it may be another one than is meant, although the models agree.
    guesses: tuple[str | None, ...] = (None,)
    also_tried: str | None = None
    agreed: str | None = None


def _lined_up(reference: Built | Frozen, candidate: Built | Frozen) -> _LinedUp:
    """Return two models with an exported file fed like the other one, in each way that fits."""
    pairs: tuple[tuple[Built | Frozen, Built | Frozen], ...]
    if isinstance(reference, Foreign) and isinstance(candidate, Built):
        found = line_up(reference, candidate)
        pairs = tuple((way, candidate) for way in found.ways)
    elif isinstance(candidate, Foreign) and isinstance(reference, Built):
        found = line_up(candidate, reference)
        pairs = tuple((reference, way) for way in found.ways)
    else:
        return _LinedUp(((reference, candidate),))
    return _LinedUp(pairs, found.guesses, found.also_tried, found.agreed)


def _with_remark(decision: Decision, remark: str | None) -> Decision:
    """Return the decision with a remark on its exported file."""
    pair = decision.pair
    for one in (pair.reference, pair.candidate):
        if isinstance(one, Foreign) and remark is not None:
            report = replace(one.report, notes=(*one.report.notes, remark))
            return replace(decision, pair=_with(pair, one, replace(one, report=report)))
    return decision


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
    found = decide_by_running(pair, other)
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
    if isinstance(reference, Built) and isinstance(candidate, Built):
        if not _may_run(reference, candidate, rule):
            return False
        _refuse_beyond_memory(reference, candidate)
        return True
    return any(_may_run(*models, rule) for models in _lined_up(reference, candidate).pairs)


def _may_run(reference: Built | Frozen, candidate: Built | Frozen, rule: TransferRule) -> bool:
    """Return whether the shapes and weights of two models match, so that outputs decide."""
    return (
        _pair_weights(reference, candidate, rule).complete
        and input_mismatch(reference, candidate) is None
        and not output_shapes(reference, candidate, training=False).apart
    )


def _refuse_beyond_memory(reference: Built, candidate: Built) -> None:
    error = beyond_memory(reference, candidate)
    if error is not None:
        raise error


def beyond_memory(reference: Built, candidate: Built) -> MemoryLimitError | None:
    """Return the error where comparing two models needs more memory than is free."""
    return running_beyond_memory("comparing", reference, candidate)
