"""Render one failed expectation for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from layerlens.render import wording
from layerlens.render.formats.rich import (
    PROSE_WIDTH,
    error_lines,
    pair_lines,
    printed,
    refusal_lines,
)
from layerlens.render.layer_table import layer_table, legend
from layerlens.render.options import RenderOptions
from layerlens.render.short_table import ShortTable
from layerlens.render.styled import GLYPHS, fold, joined
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.report.run import ExpectationRow, ScenarioReport

#: Verdicts decided by shapes and params; for these the layer tables are shown.
_IN_TABLES = {"shape_mismatch", "param_mismatch", "build_error"}


def render_expectation(
    scenario: ScenarioReport,
    row: ExpectationRow,
    options: RenderOptions,
    *,
    notes: Sequence[str] = (),
    evidence: bool = True,
) -> str:
    """Return the expected and the actual value, and the part of the report that shows why.

    That is the layers side by side for params, and for a verdict the pair, with the layers that
    differ if shapes or params decided it.
    `options.quiet` leaves out the tables and all figures, `evidence=False` all but the heading.
    `notes` are added at the end.
    """
    return printed(_lines(scenario, row, options, notes, evidence=evidence), options)


def render_errors(
    scenario: ScenarioReport,
    options: RenderOptions,
    *,
    notes: Sequence[str] = (),
) -> str:
    """Return why a scenario could not be run."""
    prose = min(options.width, PROSE_WIDTH)
    lines = [line for error in scenario.errors for line in error_lines(error, prose)]
    lines += _notes(notes, options.width)
    return printed(lines, options)


def _lines(
    scenario: ScenarioReport,
    row: ExpectationRow,
    options: RenderOptions,
    notes: Sequence[str],
    *,
    evidence: bool,
) -> Iterator[Text]:
    width = options.width
    prose = min(width, PROSE_WIDTH)
    glyph = Text(f"{GLYPHS.wrong} ", "bold red")
    yield from fold(joined(glyph, Text(wording.expectation_line(row), "bold")), width, hang=2)
    yield from fold(Text(wording.full_title(scenario), "dim"), width, indent=2)
    if not evidence:
        yield from _notes(notes, width)
        return
    pair = next((one for one in scenario.pairs if wording.subject_of(one) == row.subject), None)
    models = _models_to_show(scenario, row, pair)
    if pair is not None:
        yield Text()
        yield from pair_lines(scenario, pair, prose, options, figures=not options.quiet)
    shown_refusal = wording.pair_refusal(scenario, pair) if pair is not None else None
    for model in models:
        if model.error is not None:
            refused = wording.refusal(model.name, model.error)
            if refused != shown_refusal:
                yield Text()
                yield from refusal_lines(refused, prose, f"{GLYPHS.wrong} ")
    if models and not options.quiet:
        yield Text()
        yield from _table(scenario, models, options, whole=options.verbose or pair is None)
    yield from _notes(notes, width)


def _table(
    scenario: ScenarioReport, models: list[ModelReport], options: RenderOptions, *, whole: bool
) -> Iterator[Text]:
    """Yield the differences layer by layer or, with `whole`, the layers with all weights."""
    if not whole:
        yield from ShortTable(models, scenario.diffs, options).lines(compared=True)
        return
    width = options.width
    reference = scenario.pairs[0].reference if scenario.pairs else None
    yield from layer_table(models, scenario.diffs, width, reference=reference, every_weight=True)
    if meaning := legend(models, scenario.diffs):
        yield from fold(meaning, width, indent=2)


def _notes(notes: Sequence[str], width: int) -> Iterator[Text]:
    if notes:
        yield Text()
    for note in notes:
        yield from fold(Text(note), width, hang=2)


def _models_to_show(
    scenario: ScenarioReport, row: ExpectationRow, pair: PairReport | None
) -> list[ModelReport]:
    """Return the models to show side by side, the reference first."""
    if pair is not None:
        if not _IN_TABLES & {row.expected, row.actual}:
            return []
        names = [pair.reference, pair.candidate]
    else:
        subjects = {model.name for model in scenario.models if _is_about(row, model)}
        reference = [pair.reference for pair in scenario.pairs[:1]]
        others = [pair.candidate for pair in scenario.pairs]
        names = [*reference, *([n for n in others if n in subjects] or others)][:2]
    by_name = {model.name: model for model in scenario.models}
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name]


def _is_about(row: ExpectationRow, model: ModelReport) -> bool:
    return row.subject.startswith(f"{model.name}.")
