"""The format `markdown`: GitHub-flavoured Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from layerlens.render import wording
from layerlens.render.aligned_rows import Cell, rows_of
from layerlens.render.options import RenderOptions
from layerlens.render.pair_facts import pair_facts
from layerlens.render.pair_sentences import sentences_beside
from layerlens.render.short_rows import (
    model_notes,
    other_totals,
    refusals,
    short_rows,
    totals,
)
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.report.pairs import PairReport
from layerlens.report.run import RunRecord, ScenarioReport, coded

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$@])")
_CODE = re.compile(r"`([^`\n]*[^`\s][^`\n]*)`")
_LEADING = re.compile(r"^(\d+)?([-+.)=:])", re.MULTILINE)

#: Texts that GitHub turns into links.
_ADDRESS = re.compile(r"(https?|ftp|mailto|xmpp|www)([:.])", re.IGNORECASE)


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return the report as headings, tables and lists; its texts are shown literally."""
    blocks: list[str] = []
    if len(report.scenarios) > 1 or options.quiet:
        blocks.append(f"**{wording.tally(report)}**")
    if len(report.scenarios) > 1 and not options.quiet:
        blocks.append(_overview(report))
    for scenario in report.scenarios:
        if not (options.quiet and wording.is_quiet(scenario)):
            blocks += _scenario(scenario, options)
    if not options.quiet:
        blocks.append(f"<sub>{escape(wording.environment_line(report, travels=True))}</sub>")
    return wording.clean("\n\n".join(blocks) + "\n")


def escape(text: object) -> str:
    """Return the text escaped so that GitHub shows it literally, also inside a table cell."""
    return _lines(_literal(wording.visible(text)))


def _literal(text: str) -> str:
    return _ADDRESS.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))


def _lines(text: str) -> str:
    """Return lines joined by breaks, none of which starts a list or a heading."""
    text = _LEADING.sub(r"\1\\\2", text)
    return "<br>".join(line.strip() for line in text.split("\n"))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    rules = {"l": ":--", "r": "--:"}
    lines = [header, [rules[side] for side in align], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _overview(report: RunRecord) -> str:
    rows = [
        [
            _title(scenario),
            escape(wording.status_words(scenario)),
            escape(wording.outcome(scenario)),
        ]
        for scenario in report.scenarios
    ]
    return _table(["scenario", "status", "verdicts"], rows, "lll")


def _title(scenario: ScenarioReport) -> str:
    return escape(wording.full_title(scenario))


def _scenario(scenario: ScenarioReport, options: RenderOptions) -> Iterator[str]:
    yield f"## {_title(scenario)}"
    yield f"{escape(scenario.path)} · **{wording.status_words(scenario)}**"
    if scenario.question:
        yield f"*{escape(wording.one_line(scenario.question))}*"
    if answer := wording.answer_of(scenario):
        yield escape(answer)
    for error in scenario.errors:
        hint = f"<br>hint: {escape(error.hint)}" if error.hint else ""
        yield f"- **{escape(wording.location(error))}**: {escape(coded(error))}{hint}"
    for refused in wording.other_refusals(scenario):
        yield f"**{escape(refused.heading)}:**<br>{_reason(refused)}"
    for pair in scenario.pairs:
        yield from _pair(scenario, pair, options)
    if scenario.fit:
        yield _fit(scenario)
    models = wording.reference_first(scenario)
    if models and not options.explain:
        if options.verbose or not scenario.pairs:
            yield _layers(models, scenario.diffs)
        else:
            yield _short_table(models, scenario.diffs)
    for diff in scenario.diffs:
        if (gap_text := wording.params_gap(scenario, diff)) is not None:
            yield "\n".join(
                [f"{escape(gap_text[0])}\n", *(f"- {_prose(gap)}" for gap in gap_text[1])]
            )
    if scenario.expectations:
        held = all(row.held for row in scenario.expectations)
        yield from _folded(
            wording.expectations_tally(scenario), _expectations(scenario), is_open=not held
        )


def _prose(text: object) -> str:
    """Return a sentence escaped, with what stands in backticks as code."""
    parts = _CODE.split(wording.visible(text))
    return _lines("".join(f"`{one}`" if at % 2 else _literal(one) for at, one in enumerate(parts)))


def _folded(summary: str, block: str, *, is_open: bool = False) -> Iterator[str]:
    """Yield a block that a reader can open and close."""
    # A summary is HTML, where no backslash escapes anything.
    shown = html.escape(wording.visible(summary))
    yield f"<details{' open' if is_open else ''}>\n<summary>{shown}</summary>"
    yield block
    yield "</details>"


def _short_table(models: Sequence[ModelReport], diffs: Sequence[ModelsDiff]) -> str:
    """Return the layers of the reference, each with what is different in other models."""
    rows: list[list[str]] = []
    for layer, depth, notes in short_rows(models, diffs, compared=True):
        lines = [escape(note) for note in notes]
        if layer is None:
            rows.append(["<br>".join(lines), "", ""])
            continue
        corner = f"{'&emsp;' * (depth - 1)}└ " if depth else ""
        shapes = "<br>".join(escape(text) for text in wording.shape_texts(layer.output_shape))
        name = f"{corner}{_name(layer)}"
        rows.append(["<br>".join([name, *lines]), shapes, wording.count(layer.params)])
    rows += [[escape(note), "", ""] for note in refusals(models)]
    total = [f"**{wording.count(models[0].params)}**"]
    others = [escape(note) for note in (*other_totals(models), *model_notes(models))]
    rows.append(["<br>".join(["**params**", *others]), escape(totals(models[0])), *total])
    name = f"{escape(wording.one_line(models[0].name))} (reference)"
    return _table([name, "output shape", "params"], rows, "llr")


def _layers(models: Sequence[ModelReport], diffs: Sequence[ModelsDiff]) -> str:
    masked = wording.has_masks(models)
    columns = ["output shape", *(["mask"] if masked else []), "params"]
    blank = [""] * len(columns)
    header: list[str] = []
    for model in models:
        header += [f"{escape(wording.one_line(model.name))}: layer (type)", *columns]
    rows = []
    for row in rows_of(models, diffs):
        cells: list[str] = []
        for position, cell in enumerate(row):
            reference_layer = row[0].layer if position else None
            texts = _layer(cell, reference_layer, bool(position), masked)
            cells += texts or ["", *blank]
        rows.append(cells)
    own = [wording.model_figures(model) for model in models]
    for name in wording.figure_names(models):
        figures = [f"**{wording.figure_text(name, figures.get(name))}**" for figures in own]
        heading = f"**{escape(name)}**"
        rows.append([cell for one in figures for cell in (heading, *blank[1:], one)])
    if any(model.mixes is not None for model in models):
        notes = ["<br>".join(map(escape, wording.steps_notes(model))) for model in models]
        rows.append([cell for note in notes for cell in (note, *blank)])
    return _table(header, rows, ("lllr" if masked else "llr") * len(models))


def _layer(cell: Cell, reference_layer: LayerRow | None, compared: bool, masked: bool) -> list[str]:
    layer, differing = cell.layer, cell.differs
    if layer is None:
        return []
    sign = "+ " if compared and reference_layer is None else ""
    lines = [f"{sign}{_mark('type' in differing)}{_name(layer)}"]
    lines += [
        f"≠ {escape(note)}" for note in wording.change_notes(cell.change, reference_layer, layer)
    ]
    if note := wording.count_note(layer):
        lines.append(_mark("weights" in differing) + escape(note))
    lines += [escape(wording.weight_words(weight)) for weight in layer.weights]
    lines += [escape(note)] if (note := wording.cost_note(layer)) else []
    lines += [
        _mark("mixes" in differing and note == wording.mixes_note(layer)) + escape(note)
        for note in wording.layer_notes(layer)
    ]
    lines += [
        f"{'&emsp;' * depth}└ {_name(held)}: "
        + escape(", ".join([wording.count(held.params), *wording.steps_notes(held)]))
        for depth, held in wording.walk_layers(wording.inner_layers(layer))
    ]
    shapes = "<br>".join(escape(text) for text in wording.shape_texts(layer.output_shape))
    return [
        "<br>".join(lines),
        _mark("output_shape" in differing) + shapes,
        *([_mark("mask" in differing) + wording.mask_column(layer)] if masked else []),
        _mark("params" in differing) + wording.count(layer.params),
    ]


def _mark(differs: bool) -> str:
    return "≠ " if differs else ""


def _name(layer: LayerRow) -> str:
    return f"**{escape(wording.one_line(layer.name))}** ({escape(wording.one_line(layer.type))})"


def _pair(scenario: ScenarioReport, pair: PairReport, options: RenderOptions) -> Iterator[str]:
    expected = wording.expectation_of(scenario, pair)
    words = ""
    if expected is not None:
        held = (
            "as expected" if expected.held else f"expected {wording.value_text(expected.expected)}"
        )
        words = f", {escape(held)}"
    verdict = escape(wording.verdict_words(pair))
    words += wording.weights_note(pair)
    yield f"### {escape(wording.pair_name(pair))}, {pair.mode}: {verdict}{words}"
    refused = wording.pair_refusal(scenario, pair)
    if refused is None:
        yield "<br>".join(map(_prose, sentences_beside(scenario, pair)))
    else:
        yield f"{escape(refused.heading)}:<br>{_reason(refused)}"
    if options.explain:
        yield "\n".join(f"- {_prose(sentence)}" for sentence in pair.why)
        return
    facts = pair_facts(scenario, pair, verbose=options.verbose)
    if facts:
        lines = "\n".join(
            f"- **{fact.label}**: {'<br>'.join(_prose(line) for line in fact.lines)}"
            for fact in facts
        )
        yield from _folded("Evidence", lines)


def _reason(refused: wording.RefusalText) -> str:
    remedy = f"<br>hint: {_prose(refused.remedy)}" if refused.remedy else ""
    return escape(refused.message) + remedy


def _fit(scenario: ScenarioReport) -> str:
    rows = []
    for row in scenario.fit:
        if row.error is not None:
            refused = wording.refusal(row.model, row.error)
            rows.append([escape(row.model), f"refused: {_reason(refused)}", ""])
        else:
            losses = escape(wording.losses_line(row.losses))
            rows.append([escape(row.model), losses, escape(wording.training_words(row))])
    return _table(["trained", "losses", "against the reference"], rows, "lll")


def _expectations(scenario: ScenarioReport) -> str:
    rows = [
        [
            escape(row.subject),
            escape(wording.value_text(row.expected)),
            escape(wording.value_text(row.actual)),
            "held" if row.held else "**not held**",
        ]
        for row in scenario.expectations
    ]
    return _table(["expectation", "expected", "received", ""], rows, "llll")
