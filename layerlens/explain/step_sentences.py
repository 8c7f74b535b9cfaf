"""Sentences on which input steps an output step depends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.vocabulary import Beside, Mixes, Mode

#: Layers that are told of one by one.
_NAMED = 3
_SEES: dict[Mixes, str] = {
    "none": "its own input step",
    "causal": "its own and earlier input steps",
    "anti_causal": "its own and later input steps",
    "window": "a window of input steps",
    "all": "every input step",
    "reduces": "all the input steps, reduced to one",
    "expands": "one vector, made into steps",
}
_BESIDE: dict[Beside, str] = {
    "state": "the state of earlier calls",
    "batch": "other samples of the batch",
    "chance": "chance",
}


def step_sentences(
    reference: ModelReport, candidate: ModelReport, diff: ModelsDiff, mode: Mode
) -> Iterator[str]:
    """Yield what the layers that differ do to steps, and the models as a whole, if measured.

    `mode` is the one in which the models' rows were measured.
    """
    pairs = [
        (reference.layers[row.reference_row], candidate.layers[row.candidate_row])
        for row in diff.layers
        if row.reference_row is not None
        and row.candidate_row is not None
        and {"type", "arguments"} & {*row.differs}
    ]
    told: list[tuple[LayerRow | ModelReport, LayerRow | ModelReport]] = [*pairs[:_NAMED]]
    if reference.mixes != candidate.mixes or not told:
        told.append((reference, candidate))
    for one, other in told:
        ours, theirs = _sees(one), _sees(other)
        names = f"`{one.name}`" if one.name == other.name else f"`{one.name}` and `{other.name}`"
        measured = _measured(one, other, mode)
        if ours and ours == theirs:
            yield f"an output step of {names} depends on {ours}, {measured}"
        elif ours and theirs:
            first, second = _placed(one, reference), _placed(other, candidate)
            yield (
                f"an output step of {first} depends on {ours}, one of {second} on {theirs}, "
                f"{measured}"
            )


def _sees(part: LayerRow | ModelReport) -> str:
    if part.mixes is None:
        return ""
    beside = [_BESIDE[name] for name in part.depends_on or ()]
    steps = _SEES[part.mixes]
    if not beside:
        return f"{steps} alone" if part.mixes == "none" else steps
    return " and on ".join([steps, *beside])


def _measured(one: LayerRow | ModelReport, other: LayerRow | ModelReport, mode: Mode) -> str:
    """Say how it was measured: in training, and over how many steps where that is open."""
    lengths = sorted({n for part in (one, other) for n in _lengths(part)})
    over = f" over {_listed([f'{n:,}' for n in lengths])} steps" if lengths else ""
    return f"as was measured{' in training' if mode == 'training' else ''}{over}"


def _lengths(part: LayerRow | ModelReport) -> Iterator[int]:
    """Yield the lengths at which an open axis was measured."""
    shape = part.output_shape
    shapes = [shape] if shape and not isinstance(shape[0], tuple) else list(shape or ())
    if any(len(one) > 1 and one[1] is None for one in shapes):
        yield from (row.inputs for row in part.steps if row.inputs is not None)


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _placed(part: LayerRow | ModelReport, model: ModelReport) -> str:
    return f"`{part.name}`" if part is model else f"`{part.name}` in `{model.name}`"
