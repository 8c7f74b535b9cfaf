"""Differences of aligned layers outside their configurations: state and call arguments."""

from __future__ import annotations

from collections.abc import Iterator

from layerlens.explain.value_words import value_words
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import LayerRow, ModelReport

#: Values that are named before the rest is only counted.
_NAMED = 3


def state_gaps(reference: ModelReport, candidate: ModelReport, diff: ModelsDiff) -> Iterator[str]:
    """Yield a sentence for each aligned layer whose state or call arguments differ.

    Layers of different types are skipped.
    """
    for row in diff.layers:
        if row.reference_row is None or row.candidate_row is None:
            continue
        ours, theirs = reference.layers[row.reference_row], candidate.layers[row.candidate_row]
        yield from _changes(ours, theirs, reference.name)


def _changes(ours: LayerRow, theirs: LayerRow, reference: str) -> Iterator[str]:
    if ours.type != theirs.type:
        return
    for verb, one, other in (
        ("holds", ours.state, theirs.state),
        ("is called with", ours.call, theirs.call),
    ):
        changed = [
            f"`{name}` {value_words(other.get(name))} "
            f"(in `{reference}` {value_words(one.get(name))})"
            for name in {**one, **other}
            if one.get(name) != other.get(name)
        ]
        if changed:
            more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
            yield f"`{theirs.name}` {verb} {', '.join(changed[:_NAMED])}{more}"
    if len(ours.holds) == len(theirs.holds):
        for inner, other_inner in zip(ours.holds, theirs.holds, strict=True):
            yield from _changes(inner, other_inner, reference)
