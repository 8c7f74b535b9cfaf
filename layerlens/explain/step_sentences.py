"""Sentences on the input steps that an output step depends on."""

from __future__ import annotations

from collections.abc import Iterator

from layerlens.plain.listing import listed
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.vocabulary import Mixes, Mode, OtherInfluence

#: Pairs of layers with a sentence of their own.
_NAMED = 3
_STEPS: dict[Mixes, str] = {
    "none": "its own input step",
    "causal": "its own and earlier input steps",
    "anti_causal": "its own and later input steps",
    "window": "a window of input steps",
    "all": "every input step",
    "reduces": "all the input steps, reduced to one",
    "expands": "one vector, expanded into steps",
}
_OTHER_SOURCES: dict[OtherInfluence, str] = {
    "state": "the state of earlier calls",
    "batch": "other samples of the batch",
    "chance": "chance",
}


def step_sentences(
    reference: ModelReport, candidate: ModelReport, diff: ModelsDiff, mode: Mode
) -> Iterator[str]:
    """Yield sentences on the steps that layers which differ, or the whole models, depend on.

    `mode` is the mode in which the models' rows were measured. Layers without a measurement have
    no sentence.
    """
    pairs = [
        (reference.layers[row.reference_row], candidate.layers[row.candidate_row])
        for row in diff.layers
        if row.reference_row is not None
        and row.candidate_row is not None
        and {"type", "arguments"} & {*row.differs}
    ]
    subjects: list[tuple[LayerRow | ModelReport, LayerRow | ModelReport]] = [*pairs[:_NAMED]]
    if reference.mixes != candidate.mixes or not subjects:
        subjects.append((reference, candidate))
    for one, other in subjects:
        ours, theirs = _depends_on(one), _depends_on(other)
        names = f"`{one.name}`" if one.name == other.name else f"`{one.name}` and `{other.name}`"
        measured = _measured(one, other, mode)
        if ours and ours == theirs:
            yield f"an output step of {names} depends {ours} ({measured})"
        elif ours and theirs:
            first, second = _named(one, reference), _named(other, candidate)
            yield (
                f"an output step of {first} depends {ours}, one of {second} {theirs} ({measured})"
            )


def _depends_on(subject: LayerRow | ModelReport) -> str:
    if subject.mixes is None:
        return ""
    others = [_OTHER_SOURCES[name] for name in subject.depends_on or ()]
    steps = _STEPS[subject.mixes]
    if not others:
        return f"only on {steps}" if subject.mixes == "none" else f"on {steps}"
    return f"on {' and on '.join([steps, *others])}"


def _measured(one: LayerRow | ModelReport, other: LayerRow | ModelReport, mode: Mode) -> str:
    """Say how it was measured: in which mode, and over how many steps on a variable axis."""
    lengths = sorted({n for subject in (one, other) for n in _lengths(subject)})
    over = f" over {listed([f'{n:,}' for n in lengths])} steps" if lengths else ""
    return f"measured{' in training' if mode == 'training' else ''}{over}"


def _lengths(subject: LayerRow | ModelReport) -> Iterator[int]:
    """Yield the lengths at which a variable axis was measured."""
    shape = subject.output_shape
    shapes = [shape] if shape and not isinstance(shape[0], tuple) else list(shape or ())
    if any(len(one) > 1 and one[1] is None for one in shapes):
        yield from (row.inputs for row in subject.steps if row.inputs is not None)


def _named(subject: LayerRow | ModelReport, model: ModelReport) -> str:
    return f"`{subject.name}`" if subject is model else f"`{subject.name}` in `{model.name}`"
