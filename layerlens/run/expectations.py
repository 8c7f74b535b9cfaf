"""Check the expectations of a scenario against its results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.report.run import ExpectationRow
from layerlens.report.training import FitRow
from layerlens.vocabulary import STRENGTHS

if TYPE_CHECKING:
    from layerlens.scenario.spec import (
        Expectations,
        LayerExpectation,
        ModelExpectation,
        Scenario,
    )
    from layerlens.vocabulary import Mode, Strength, Verdict


@dataclass(frozen=True, slots=True)
class Expected:
    """One expectation of a scenario; `keys` are its keys under `expect:`."""

    subject: str
    keys: tuple[str, ...]
    value: Any
    line: int | None
    column: int | None
    #: The least strength of an expected `equivalent`.
    strength: Strength | None = None


def list_expected(scenario: Scenario) -> tuple[Expected, ...]:
    """Return the expectations of a scenario in the order of the report; nothing is run."""
    return tuple(_expected(scenario))


def pairs_without_expectation(scenario: Scenario) -> tuple[Expected, ...]:
    """Return the pairs that `expect:` says nothing about, which under `strict` need a decision."""
    listed = {expected.subject for expected in list_expected(scenario)}
    pairs = [
        (f"{scenario.reference}=={candidate.name}[{mode}]", ("verdicts", candidate.name, mode))
        for candidate in scenario.candidates
        for mode in scenario.modes
    ]
    return tuple(
        Expected(subject, keys, None, None, None)
        for subject, keys in pairs
        if subject not in listed
    )


def check_expectations(
    scenario: Scenario,
    models: Sequence[ModelReport],
    pairs: Sequence[PairReport],
    fit: Sequence[FitRow] = (),
    default: Verdict | None = None,
    *,
    strict: bool = False,
) -> tuple[ExpectationRow, ...]:
    """Return a row for every expectation, checked against the results.

    Args:
        scenario: the scenario with its expectations.
        models: its models.
        pairs: its pairs with their verdicts.
        fit: its trainings.
        default: the verdict expected of every pair if the scenario expects nothing.
        strict: whether a scenario that expects nothing, an `inconclusive` pair and a `weak` pass
            are failures, each with a row.
    """
    rows = _checked(scenario, models, pairs, fit, default)
    return strictly(rows, pairs) if strict else rows


def _checked(
    scenario: Scenario,
    models: Sequence[ModelReport],
    pairs: Sequence[PairReport],
    fit: Sequence[FitRow],
    default: Verdict | None,
) -> tuple[ExpectationRow, ...]:
    listed = list_expected(scenario)
    if not listed and default is not None:
        return tuple(
            ExpectationRow(_subject(pair), default, pair.verdict, pair.verdict == default)
            for pair in pairs
        )
    measured = _Measured(
        {(pair.candidate, pair.mode): pair for pair in pairs},
        {model.name: model for model in models},
        {row.model: row.error.message for row in fit if row.error},
    )
    return tuple(measured.row(expected) for expected in listed)


#: The subject of the row of a scenario that expects nothing, under `strict`.
NOTHING_EXPECTED = "expectations"


def strictly(
    rows: Sequence[ExpectationRow], pairs: Sequence[PairReport]
) -> tuple[ExpectationRow, ...]:
    """Return the rows, with a failure for each thing that does not pass under `strict`."""
    by_subject = {row.subject: row for row in rows}
    for pair in pairs:
        subject = _subject(pair)
        before = by_subject.get(subject)
        if pair.verdict == "inconclusive" and (before is None or before.held):
            wanted, received = "a decision (strict)", "inconclusive"
        elif before is not None and before.held and pair.strength == "weak":
            wanted, received = f"{pair.verdict}, at least tested (strict)", _with_strength(pair)
        else:
            continue
        row = before or ExpectationRow(subject, wanted, received, held=False)
        by_subject[subject] = replace(row, expected=wanted, actual=received, held=False)
    if not by_subject:
        wanted = "at least one (strict)"
        return (ExpectationRow(NOTHING_EXPECTED, wanted, "none", held=False),)
    return tuple(by_subject.values())


def _with_strength(pair: PairReport) -> str:
    return f"{pair.verdict}, {pair.strength}" if pair.strength else pair.verdict


def _subject(pair: PairReport) -> str:
    return f"{pair.reference}=={pair.candidate}[{pair.mode}]"


def _expected(scenario: Scenario) -> Iterator[Expected]:
    if scenario.expect is None:
        return
    for subject, keys, value in _values(scenario.reference, scenario.expect):
        line, column = scenario.expect.place(keys)
        strength = None
        if keys[0] == "verdicts":
            _, candidate, mode = keys
            strength = scenario.expect.strengths.get(candidate, {}).get(cast("Mode", mode))
        yield Expected(subject, keys, value, line, column, strength)


def _values(reference: str, expect: Expectations) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield the subject, the keys and the value of each expectation."""
    for candidate, verdicts in expect.verdicts.items():
        for mode, verdict in verdicts.items():
            yield f"{reference}=={candidate}[{mode}]", ("verdicts", candidate, mode), verdict
    for candidate in expect.same_weights:
        yield f"{reference}=={candidate}[weights]", ("weights", candidate), EQUAL_WEIGHTS
    for name, model in expect.models.items():
        yield from _figures(name, ("models", name), model, "trainable_params")
        for layer, figures in model.layers.items():
            keys = "models", name, "layers", layer
            yield from _figures(f"{name}.layers.{layer}", keys, figures)
        if model.error is not None:
            yield f"{name}.error", ("models", name, "error"), model.error


def _figures(
    subject: str, keys: tuple[str, ...], part: ModelExpectation | LayerExpectation, *more: str
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    for figure in ("params", *more, "output_shape"):
        expected = getattr(part, figure)
        if expected is not None:
            yield f"{subject}.{figure}", (*keys, figure), _plain(expected)


#: The expected value, and the actual one where it holds, of saved weights.
EQUAL_WEIGHTS = "equal"


@dataclass(frozen=True, slots=True)
class _Measured:
    """The results of a scenario, by the names that expectations use."""

    pairs: Mapping[tuple[str, str], PairReport]
    models: Mapping[str, ModelReport]
    #: Model → why Keras refused to train it.
    fit_errors: Mapping[str, str]

    def row(self, expected: Expected) -> ExpectationRow:
        match expected.keys:
            case ("verdicts", candidate, mode):
                return _verdict_row(expected, self.pairs[candidate, mode])
            case ("weights", candidate):
                found: Any = self._weights(candidate)
            case ("models", name, "error"):
                return self._error_row(expected, self.models[name])
            case ("models", name, "layers", layer, figure):
                layers = {row.name: row for row in self.models[name].layers}
                found = getattr(layers[layer], figure) if layer in layers else NO_SUCH_LAYER
            case (_, name, figure):
                found = getattr(self.models[name], figure)
        found = _plain(found)
        return _row(expected, found, held=expected.value == found)

    def _weights(self, candidate: str) -> str:
        saved = next(
            (pair.saved_weights for (name, _), pair in self.pairs.items() if name == candidate),
            None,
        )
        if saved is None or not saved.paired:
            return "not compared"
        count = len(saved.differing)
        return f"{count:,} of {saved.compared:,} differ" if count else EQUAL_WEIGHTS

    def _error_row(self, expected: Expected, model: ModelReport) -> ExpectationRow:
        errors = [_error_text(model), self.fit_errors.get(model.name)]
        texts = [text for text in errors if text]
        held = any(expected.value.casefold() in text.casefold() for text in texts)
        return _row(expected, "; ".join(texts) or None, held=held)


NO_SUCH_LAYER = "no such layer"


def _error_text(model: ModelReport) -> str | None:
    error = model.error
    if error is None:
        return None
    return " ".join(part for part in (error.layer, error.message, error.hint) if part)


def _verdict_row(expected: Expected, pair: PairReport) -> ExpectationRow:
    """Return the row of a verdict, with the strength where one is asked for."""
    held = pair.verdict == expected.value
    if expected.strength is None:
        return _row(expected, pair.verdict, held=held)
    asked = replace(expected, value=f"{expected.value}, at least {expected.strength}")
    strong = pair.strength is not None and (
        STRENGTHS.index(pair.strength) >= STRENGTHS.index(expected.strength)
    )
    return _row(asked, _with_strength(pair), held=held and strong)


def _row(expected: Expected, actual: Any, *, held: bool) -> ExpectationRow:
    return ExpectationRow(
        expected.subject, expected.value, actual, held, expected.line, expected.column
    )


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
