"""What a scenario expects and what came out become one row for each expectation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from layerlens.report import ExpectationRow, FitRow, ModelReport, PairReport
from layerlens.scenario import Expectations, ModelExpectation, Scenario, Verdict


def check_expectations(
    scenario: Scenario,
    models: Sequence[ModelReport],
    pairs: Sequence[PairReport],
    fit: Sequence[FitRow] = (),
    default: Verdict | None = None,
) -> tuple[ExpectationRow, ...]:
    """Hold every expectation against what was measured.

    `default` is the verdict expected of every pair where the file has no `expect:`.
    """
    if scenario.expect is None:
        if default is None:
            return ()
        return tuple(_verdict_row(pair, default) for pair in pairs)
    return tuple(_rows(scenario.expect, models, pairs, fit))


def _rows(
    expect: Expectations,
    models: Sequence[ModelReport],
    pairs: Sequence[PairReport],
    fit: Sequence[FitRow],
) -> Iterator[ExpectationRow]:
    for candidate, modes in expect.verdicts.items():
        for pair in pairs:
            if pair.candidate == candidate and pair.mode in modes:
                yield _verdict_row(pair, modes[pair.mode])
    by_name = {model.name: model for model in models}
    refused = {row.model: row.error.message for row in fit if row.error}
    for name, expected in expect.models.items():
        yield from _model_rows(expected, by_name[name], refused.get(name))


def _verdict_row(pair: PairReport, expected: Verdict) -> ExpectationRow:
    subject = f"{pair.reference}=={pair.candidate}[{pair.mode}]"
    return ExpectationRow(subject, expected, pair.verdict, pair.verdict == expected)


def _model_rows(
    expected: ModelExpectation, model: ModelReport, fit_error: str | None
) -> Iterator[ExpectationRow]:
    for figure in ("params", "trainable_params", "output_shape"):
        wanted = getattr(expected, figure)
        if wanted is not None:
            yield _figure_row(f"{model.name}.{figure}", wanted, getattr(model, figure))
    layers = {row.name: row for row in model.layers}
    for name, layer in expected.layers.items():
        for figure in ("params", "output_shape"):
            wanted = getattr(layer, figure)
            if wanted is not None:
                found = getattr(layers[name], figure) if name in layers else "no such layer"
                yield _figure_row(f"{model.name}.layers.{name}.{figure}", wanted, found)
    if expected.error is not None:
        texts = [error for error in (_error_text(model), fit_error) if error]
        held = any(expected.error.casefold() in text.casefold() for text in texts)
        yield ExpectationRow(f"{model.name}.error", expected.error, "; ".join(texts) or None, held)


def _error_text(model: ModelReport) -> str | None:
    error = model.error
    if error is None:
        return None
    return " ".join(part for part in (error.layer, error.message, error.hint) if part)


def _figure_row(subject: str, wanted: Any, found: Any) -> ExpectationRow:
    wanted, found = _plain(wanted), _plain(found)
    return ExpectationRow(subject, wanted, found, wanted == found)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
