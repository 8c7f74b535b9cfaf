"""The first sentences about a pair: what differs, what was found, and where it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from layerlens.plain.listing import listed
from layerlens.render.pair_facts import entries, nested_shape, nested_text
from layerlens.render.wording import clean, count, distinct_values, one_line, shapes_text, value
from layerlens.vocabulary import ALSO_DIFFERS_WORDS

if TYPE_CHECKING:
    from layerlens.report.pairs import Counterexample, PairReport
    from layerlens.report.run import ScenarioReport

#: The differences that are named before the rest is counted.
_MOST_CAUSES = 3
#: The most values of an input that is written in full, and the most entries that are listed.
_MOST_VALUES, _MOST_ENTRIES = 12, 4


def sentences_beside(scenario: ScenarioReport, pair: PairReport) -> Iterator[str]:
    """Yield the sentences about a pair, in a report that has the refusal of the reference too."""
    refused = [model.name for model in scenario.models if model.error is not None]
    if pair.verdict == "build_error" and pair.reference in refused:
        names = [name for name in (pair.reference, pair.candidate) if name in refused]
        what = listed([f"`{one_line(name)}`" for name in names])
        yield f"Nothing was compared: {what} cannot be built."
        return
    yield from pair_sentences(pair)


def pair_sentences(pair: PairReport) -> Iterator[str]:
    """Yield the differences of the models, the explanation, and the counterexample if any."""
    if pair.causes:
        yield clean(_causes(pair))
    yield clean(pair.explanation)
    if pair.counterexample is not None:
        yield clean(_counterexample(pair, pair.counterexample))
    if pair.also_differs:
        words = [ALSO_DIFFERS_WORDS.get(name, name) for name in pair.also_differs]
        yield f"Also different: {listed(words)}."


def _causes(pair: PairReport) -> str:
    start = "Differs"
    if pair.verdict == "equivalent":
        start = "No effect" if len(pair.causes) == 1 else "No effect in combination"
    return f"{start}: {listed(pair.causes, _MOST_CAUSES)}."


def _counterexample(pair: PairReport, found: Counterexample) -> str:
    """Return the input and both values in the shortest form that a reader can check."""
    ours, theirs = distinct_values(found.reference, found.candidate)
    inputs = found.input if isinstance(found.input, Mapping) else {"": found.input}
    given = ", ".join(_input(name, array) for name, array in inputs.items() if array is not None)
    index = f"output {shapes_text(found.index)}" if found.index else "the output"
    start = "Simplified from probe" if found.simplified else "On probe"
    return (
        f"{start} `{one_line(found.probe)}`: for {given or 'its input'}, {index} is {ours} in "
        f"`{one_line(pair.reference)}` and {theirs} in `{one_line(pair.candidate)}`."
    )


def _input(name: str, array: Any) -> str:
    called = f"input `{one_line(name)}`" if name else "input"
    found = list(entries(array))
    if len(found) <= _MOST_VALUES:
        return f"{called} {nested_text(array)}"
    marked = [(index, number) for index, number in found if number != 0]
    shape = shapes_text(nested_shape(array))
    if not marked:
        return f"an {called} of zeros of shape {shape}"
    if len(marked) <= _MOST_ENTRIES:
        places = [f"{value(number)} at [{', '.join(map(str, index))}]" for index, number in marked]
        return f"an {called} of shape {shape}, zero except {listed(places)}"
    return (
        f"an {called} of shape {shape} with {count(len(marked))} nonzero values "
        "(`--verbose` shows them)"
    )
