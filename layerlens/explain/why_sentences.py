"""Sentences for the `why` of a pair: what the models share and where they differ.

Every sentence is written from the layers, counts, differences and trials of that pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layerlens.explain.align_layers import align_layers
from layerlens.explain.first_divergence import Divergence
from layerlens.explain.open_nested import is_nested, open_nested
from layerlens.explain.repair import Repair
from layerlens.explain.state_gaps import state_gaps
from layerlens.explain.step_sentences import step_sentences
from layerlens.explain.verdict_sentences import outside_code, shapes_text
from layerlens.explain.weight_sentences import weight_sentences
from layerlens.numerics.judge import SAME_DISTRIBUTION
from layerlens.plain.listing import listed
from layerlens.report.diffs import LayerChange, ModelsDiff
from layerlens.report.inner_arguments import inner_argument
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.scenario.notation import value_text
from layerlens.vocabulary import ALSO_DIFFERS_WORDS

#: Rows, arguments and gaps that are named before the rest is only counted.
_NAMED = 3
#: Ratio of the sizes of two graphs from which it is mentioned.
_MUCH_LARGER = 1.5


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings on a pair that its report does not contain."""

    repair: Repair | None = None
    #: The first layers whose outputs differ.
    divergence: Divergence | None = None
    #: Sentences on layers that overflow integers on the counterexample.
    losses: Sequence[str] = ()
    #: Whether outputs are compared by the scenario's own tolerance.
    tolerant: bool = False
    #: Whether the pair is judged in another mode too.
    several_modes: bool = False
    #: A sentence on the condition under which the scenario compares.
    condition: str = ""
    #: Sentences on models that compute other shapes than those in their reports.
    misannounced: Sequence[str] = ()

    @property
    def agreement(self) -> str:
        return "within the tolerance" if self.tolerant else "up to rounding"


def why_sentences(
    reference: ModelReport,
    candidate: ModelReport,
    pair: PairReport,
    diff: ModelsDiff,
    findings: Findings,
) -> tuple[str, ...]:
    """Return sentences on what is the same, what differs, the result and its repair.

    For a model that Keras refused, they say only where it failed and how to fix it. Nested models
    are compared layer by layer where the models are nested in different ways.
    """
    if reference.error is not None or candidate.error is not None:
        return tuple(_refused(reference, candidate))
    nested = ""
    if (opened := open_nested(reference, candidate)) is not None:
        rows = (*reference.layers, *candidate.layers)
        names = [f"`{row.name}`" for row in rows if is_nested(row)]
        nested = f"Nested models are compared layer by layer ({_first_few(names)})."
        reference, candidate = opened
        diff = align_layers(reference, candidate)
    sentences = [outside_code(reference, candidate)]
    if reference.lists_layers and candidate.lists_layers:
        sentences += [
            _same(reference, candidate, diff, findings),
            nested,
            _differs(reference, candidate, diff),
        ]
    sentences += [
        f"In `{model.name}`, {note}." for model in (reference, candidate) for note in model.remarks
    ]
    sentences += [
        *weight_sentences(pair),
        _result(pair, findings),
        *(f"{sentence}." for sentence in findings.misannounced),
        *(f"{lost}." for lost in findings.losses),
    ]
    sentences += [
        _further(reference, candidate, pair, diff),
        findings.condition,
        _agreement(pair),
        _repair(pair, findings),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _refused(reference: ModelReport, candidate: ModelReport) -> Iterator[str]:
    for model in (reference, candidate):
        if model.error is None:
            continue
        layer = f"`{model.error.layer}`" if model.error.layer else ""
        if model.params is not None:
            fails = f"{layer or 'it'} fails"
            yield (
                f"`{model.name}` builds, but {fails} when it is called, so its outputs could not "
                "be compared."
            )
        else:
            at = f" at {layer}" if layer else ""
            count = _count(len(model.layers), "layer")
            built = f" after {count} built" if model.layers else ""
            refused = f"Keras refuses `{model.name}`{at}" if at else f"`{model.name}` is not built"
            yield f"{refused}{built}, so nothing could be compared."
        if model.error.hint:
            yield f"To fix it: {model.error.hint.rstrip('.')}."


def _same(
    reference: ModelReport, candidate: ModelReport, diff: ModelsDiff, findings: Findings
) -> str:
    known = [row for row in diff.layers if not _without_config(reference, candidate, row)]
    same = [f"`{row.candidate}`" for row in known if _same_config(row)]
    total = max(len(reference.layers), len(candidate.layers))
    parts = []
    if diff.layers and len(same) == len(diff.layers):
        parts.append("all layers have the same configuration")
    elif same:
        verb = "has" if len(same) == 1 else "have"
        names = _first_few(same)
        parts.append(
            f"{len(same)} of {_count(total, 'layer')} {verb} the same configuration ({names})"
        )
    elif diff.layers:
        known_to = "has" if len(known) == len(diff.layers) else "is known to have"
        parts.append(f"no layer {known_to} the same configuration")
    if reference.params == candidate.params and reference.params is not None:
        parts.append(f"both have {reference.params:,} params")
    if reference.output_shape == candidate.output_shape and not findings.misannounced:
        parts.append(f"both return {shapes_text(reference.output_shape)}")
    return f"In `{candidate.name}` and `{reference.name}`, {listed(parts)}." if parts else ""


def _same_config(row: LayerChange) -> bool:
    """Return whether two layers differ in nothing but what follows from others: shapes, counts."""
    return not (row.change.startswith("only") or {"type", "arguments", "inputs"} & {*row.differs})


def _without_config(reference: ModelReport, candidate: ModelReport, row: LayerChange) -> list[str]:
    """Return the names of the layers in a row whose configuration is unknown.

    A known configuration is never empty: it has at least `trainable`.
    """
    if row.reference_row is None or row.candidate_row is None or "type" in row.differs:
        return []
    layers = reference.layers[row.reference_row], candidate.layers[row.candidate_row]
    return [f"`{layer.name}`" for layer in layers if not layer.arguments]


def _differs(reference: ModelReport, candidate: ModelReport, diff: ModelsDiff) -> str:
    rows = [row for row in diff.layers if row.change != "same"]
    parts = [part for row in rows if (part := _row(reference, candidate, row))]
    parts += state_gaps(reference, candidate, diff)
    if len(parts) > _NAMED:
        parts = [*parts[:_NAMED], f"{_count(len(parts) - _NAMED, 'more layer')} differ"]
    gaps = [gap.text for gap in diff.params]
    counts = (
        f" The params differ by {_first_few(gaps)}." if gaps else _trained(reference, candidate)
    )
    unknown = [name for row in diff.layers for name in _without_config(reference, candidate, row)]
    if unknown:
        names = list(dict.fromkeys(unknown))
        verb = "has no known" if len(names) == 1 else "have no known"
        counts += f" {_first_few(names)} {verb} configuration."
    if not parts:
        known = ", as far as known" if unknown else ""
        nothing = f"Nothing in their configurations differs{known}."
        return counts.strip() if rows else f"{nothing}{counts}"
    return f"What differs: {'; '.join(parts)}.{counts}"


def _trained(reference: ModelReport, candidate: ModelReport) -> str:
    """Say how many params are trained, if the counts differ in nothing else."""
    ours, theirs = reference.trainable_params, candidate.trainable_params
    if reference.params != candidate.params or ours == theirs or None in (ours, theirs):
        return ""
    return (
        f" No count of params differs, only how many are trained: {theirs:,} of "
        f"{candidate.params:,} in `{candidate.name}` and {ours:,} in `{reference.name}`."
    )


def _row(reference: ModelReport, candidate: ModelReport, row: LayerChange) -> str:
    ours = None if row.reference_row is None else reference.layers[row.reference_row]
    theirs = None if row.candidate_row is None else candidate.layers[row.candidate_row]
    if ours is None or theirs is None:
        only, place = (theirs, candidate) if ours is None else (ours, reference)
        return f"`{only.name}` ({only.type}) is only in `{place.name}`" if only else ""
    if ours.type != theirs.type:
        return f"`{theirs.name}` ({theirs.type}) replaces `{ours.name}` ({ours.type})"
    if row.arguments:
        changed: dict[str, list[str]] = {}
        for item in row.arguments:
            inner = inner_argument(theirs, item.name)
            values = f"{_value(item.candidate)} (in `{reference.name}` {_value(item.reference)})"
            changed.setdefault(inner.layer, []).append(f"{inner.name} {values}")
        return " and ".join(f"`{name}` has {_first_few(had)}" for name, had in changed.items())
    if "inputs" in row.differs:
        inputs = f"{_first_few(theirs.inputs)} instead of {_first_few(ours.inputs)}"
        return f"`{theirs.name}` takes {inputs}"
    return ""  # the difference follows from another row


def _result(pair: PairReport, findings: Findings) -> str:
    match pair.verdict:
        case "equivalent":
            return _equivalent(pair, findings)
        case "different":
            return _different(pair, findings.divergence)
        case "shape_mismatch":
            return "Their outputs have different shapes, so their elements cannot be compared."
        case "param_mismatch":
            return "The weights of one do not fit the other, so no outputs were compared."
    return pair.explanation if pair.verdict == "inconclusive" else ""


def _equivalent(pair: PairReport, findings: Findings) -> str:
    agree = f"all {pair.compared:,} outputs compared agree" if pair.compared else "outputs agree"
    if pair.certificate is not None and pair.certificate.method == "graph":
        return (
            f"This has no effect: {agree}, and exact arithmetic on "
            f"{pair.certificate.segment} proves it for every input and weight."
        )
    if pair.certificate is not None:
        return f"They agree: {pair.certificate.segment.removeprefix('none: ')}."
    if SAME_DISTRIBUTION in pair.explanation:
        return f"No difference was found: {SAME_DISTRIBUTION}."
    if findings.tolerant:
        agree = f"{agree} {findings.agreement}"
    weak = (
        f"; an error in {_first_few(pair.unseen)} would not have been noticed"
        if pair.unseen
        else ""
    )
    return f"No difference was found: {agree}{weak}."


def _different(pair: PairReport, divergence: Divergence | None) -> str:
    found = f"{pair.mismatched:,} of {pair.compared:,} outputs" if pair.mismatched else "outputs"
    size = f"by up to {pair.max_abs:.3g}" if pair.max_abs is not None else ""
    parts = [f"{found} differ {size}".strip()]
    if pair.masked is not None:
        parts.append(_padding(pair))
    if pair.only_at_initialization:
        parts.append("none on the initial weights")
    where = f"; {_where(divergence)}" if divergence is not None else ""
    return f"So {', '.join(part for part in parts if part)}{where}."


def _where(divergence: Divergence) -> str:
    """Say at which layers the models differ first, and whether both had the same inputs."""
    first = divergence.row
    if first.candidate_layer is None:
        return f"they first differ at `{first.reference_layer}`, which the candidate does not have"
    if first.reference_layer is None:
        return f"they first differ at `{first.candidate_layer}`, which the reference does not have"
    name = f"`{first.candidate_layer}`"
    if first.reference_layer != first.candidate_layer:
        name += f" against `{first.reference_layer}`"
    if divergence.ends_segment:
        return f"they first differ before the output of {name}"
    if divergence.fed:
        return f"they first differ at {name}, {divergence.fed}"
    return f"the first layers found to differ are {name}, with different inputs"


def _padding(pair: PairReport) -> str:
    assert pair.masked is not None
    valid, padded = pair.masked.valid, pair.masked.padded
    if not valid.mismatched and padded.mismatched:
        return "all of them at padded steps"
    if valid.mismatched and not padded.mismatched:
        return "none of them at padded steps"
    return f"{valid.mismatched:,} at valid and {padded.mismatched:,} at padded steps"


def _further(
    reference: ModelReport, candidate: ModelReport, pair: PairReport, diff: ModelsDiff
) -> str:
    """Return a sentence on steps, graphs, masks and the other aspects besides the outputs."""
    parts = [*step_sentences(reference, candidate, diff, pair.mode)]
    if reference.graph_ops and candidate.graph_ops and pair.verdict == "equivalent":
        larger, smaller = sorted((reference, candidate), key=lambda m: -(m.graph_ops or 0))
        if (larger.graph_ops or 0) >= _MUCH_LARGER * (smaller.graph_ops or 1):
            parts.append(
                f"`{larger.name}` computes it with a graph of {larger.graph_ops:,} operations, "
                f"`{smaller.name}` with {smaller.graph_ops:,}"
            )
    parts += _masks(reference, candidate)
    if pair.also_differs:
        words = [ALSO_DIFFERS_WORDS.get(name, name) for name in pair.also_differs]
        parts.append(f"also different: {_first_few(words)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _masks(reference: ModelReport, candidate: ModelReport) -> Iterator[str]:
    """Name the layers that ignore a mask and do not pass it on, once if both models have them."""
    dropping = [
        [
            f"`{layer.name}`"
            for layer in model.layers
            if layer.mask_in and layer.mask_use == "ignored" and layer.mask_out is False
        ]
        for model in (reference, candidate)
    ]
    if dropping[0] == dropping[1] and dropping[0]:
        yield f"in both, {_drop_mask(dropping[0])}"
        return
    for model, names in zip((reference, candidate), dropping, strict=True):
        if names:
            yield f"in `{model.name}`, {_drop_mask(names)}"


def _drop_mask(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} ignores the mask that it receives and does not pass it on"
    return f"{_first_few(names)} ignore the mask that they receive and do not pass it on"


def _repair(pair: PairReport, findings: Findings) -> str:
    repair = findings.repair
    if repair is None:
        return ""
    tried = [_with_repair(repair.report, findings)]
    if repair.unneeded:
        verb = "was" if len(repair.unneeded) == 1 else "were"
        tried.append(f"not needed {verb}: {', '.join(repair.unneeded)}")
    if repair.unsettled:
        tried.append(f"not known to be needed: {', '.join(repair.unsettled)}")
    changes = listed(list(repair.changes))
    mode = f" in {pair.mode}" if findings.several_modes else ""
    return (
        f"To make them agree{mode}, in `{pair.candidate}`: {changes} (tried: {'; '.join(tried)})."
    )


def _agreement(pair: PairReport) -> str:
    found = pair.agrees_when
    if found is None:
        return ""
    written = {"when": found.condition}
    if found.condition.keys() & {"modes", "outputs"}:
        written = dict(found.condition)
    return (
        f"They agree {found.text} (tried: all {found.compared:,} outputs then agree); "
        f"to compare so, write `{value_text(written)[1:-1]}`."
    )


def _with_repair(report: PairReport, findings: Findings) -> str:
    """Say how the models agree with the changes made; `report` is of that pair."""
    if SAME_DISTRIBUTION in report.explanation:
        return f"then {SAME_DISTRIBUTION}"
    count = f"all {report.compared:,} outputs then agree" if report.compared else "then they agree"
    weak = (
        f", but an error in {_first_few(report.unseen)} would not be noticed"
        if report.unseen
        else ""
    )
    return f"{count} {findings.agreement}{weak}"


def _value(item: object) -> str:
    return str(item).lower() if isinstance(item, bool) else "none" if item is None else str(item)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _first_few(items: Sequence[str]) -> str:
    return listed(items, _NAMED)
