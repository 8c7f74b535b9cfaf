"""Sentences on the weights that two models were saved with."""

from __future__ import annotations

from collections.abc import Iterator

from layerlens.report.pairs import PairReport, SavedWeights, WeightDifference

#: The weights that are named before the rest is only counted.
_NAMED = 3


def weight_sentences(pair: PairReport) -> tuple[str, ...]:
    """Return whether the architectures, the saved weights or both differ, and how.

    The architectures are said to agree or to differ only where the verdict says so.
    """
    saved = pair.saved_weights
    if saved is None:
        return ()
    if not saved.paired:
        return tuple(_unpaired(pair, saved))
    if not saved.compared:
        return ()
    if not saved.differing:
        return (_all_equal(pair, saved),)
    return tuple(_differing(pair, saved))


def _all_equal(pair: PairReport, saved: SavedWeights) -> str:
    equal = (
        "the saved weights are equal" if saved.compared > 1 else "the only saved weight is equal"
    )
    match pair.verdict:
        case "equivalent":
            return f"The architectures agree, and {equal}."
        case "different" | "shape_mismatch":
            return f"The architectures differ; {equal}."
    return f"{equal[:1].upper()}{equal[1:]}."


def _differing(pair: PairReport, saved: SavedWeights) -> Iterator[str]:
    match pair.verdict:
        case "equivalent":
            start = "The architectures agree; only the saved weights differ"
        case "different" | "shape_mismatch":
            start = "Both the architectures and the saved weights differ"
        case _:
            start = "The saved weights differ"
    yield f"{start}: {_named(saved)}."
    if (outputs := _as_saved(saved)) is not None:
        yield outputs
    if pair.verdict == "equivalent":
        yield f"Once the weights of `{pair.reference}` are carried over, the models agree."
    elif pair.verdict == "different":
        yield f"With the weights of `{pair.reference}` in both, the models still differ."


def _unpaired(pair: PairReport, saved: SavedWeights) -> Iterator[str]:
    if pair.verdict == "param_mismatch":
        yield "The architectures differ, so the saved weights have no counterparts."
    if (outputs := _as_saved(saved)) is not None:
        yield outputs


def _named(saved: SavedWeights) -> str:
    named = "; ".join(weight_text(one) for one in saved.differing[:_NAMED])
    more = len(saved.differing) - _NAMED
    rest = f"; and {more:,} more" if more > 0 else ""
    noun = "weight" if saved.compared == 1 else "weights"
    return f"{len(saved.differing):,} of {saved.compared:,} {noun}, {named}{rest}"


def weight_text(one: WeightDifference) -> str:
    """Return which weight of the reference differs, in how many values, and by how much."""
    return (
        f"`{one.reference}` in {one.mismatched:,} of {one.compared:,} values (greatest absolute "
        f"difference {one.max_abs:.3g}, relative {one.max_rel:.3g})"
    )


def _as_saved(saved: SavedWeights) -> str | None:
    """Say what the outputs do where each model keeps its own weights."""
    match saved.verdict:
        case "different":
            by = "" if saved.max_abs is None else f" by up to {saved.max_abs:.3g}"
            return f"As saved, the outputs differ{by}."
        case "equivalent":
            return "As saved, the outputs agree on all probes that were run."
        case "inconclusive":
            return "It could not be decided whether the outputs agree as saved."
    return None
