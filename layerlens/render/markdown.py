"""A report enters, GitHub-flavoured Markdown leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from layerlens.render import RenderOptions, wording
from layerlens.render.aligning import line_up, marks
from layerlens.render.pair_facts import pair_facts
from layerlens.report import LayerRow, ModelReport, PairReport, Report, ScenarioReport

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$@])")
_LEADING = re.compile(r"^(\d+)?([-+.)=])", re.MULTILINE)


def render_markdown(report: Report, *, options: RenderOptions) -> str:
    """Return the report as headings, tables and lists; all text in it is shown literally."""
    blocks: list[str] = []
    if len(report.scenarios) > 1 or options.quiet:
        blocks.append(f"**{wording.tally(report)}**")
    if len(report.scenarios) > 1 and not options.quiet:
        blocks.append(_overview(report))
    for scenario in report.scenarios:
        if not (options.quiet and scenario.status == "pass"):
            blocks += _scenario(scenario, options)
    if not options.quiet:
        blocks.append(f"<sub>{escape(wording.environment_line(report))}</sub>")
    return "\n\n".join(blocks) + "\n"


def escape(text: object) -> str:
    """Return the text such that GitHub shows it as it is, also inside a table cell."""
    escaped = _LEADING.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", wording.clean(text)))
    return "<br>".join(line.strip() for line in escaped.split("\n"))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    rules = {"l": ":--", "r": "--:"}
    lines = [header, [rules[side] for side in align], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _overview(report: Report) -> str:
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
    cell = f" [{wording.cell_text(scenario.cell)}]" if scenario.cell else ""
    return escape(f"{wording.title_of(scenario)}{cell}")


def _scenario(scenario: ScenarioReport, options: RenderOptions) -> Iterator[str]:
    yield f"## {_title(scenario)}"
    yield f"{escape(scenario.path)} · **{wording.status_words(scenario)}**"
    if scenario.question:
        yield f"*{escape(wording.one_line(scenario.question))}*"
    for error in scenario.errors:
        hint = f"<br>hint: {escape(error.hint)}" if error.hint else ""
        yield f"- **{escape(wording.place(error))}**: {escape(error.message)}{hint}"
    reference = scenario.pairs[0].reference if scenario.pairs else None
    models = sorted(scenario.models, key=lambda model: model.name != reference)
    if models:
        yield _layers(models, every_weight=options.verbose or not scenario.pairs)
    for refused in wording.refusals_apart(scenario):
        yield f"**{escape(refused.heading)}**<br>{_reason(refused)}"
    for pair in scenario.pairs:
        yield from _pair(scenario, pair, options)
    if scenario.fit:
        yield _fit(scenario)
    if scenario.expectations:
        yield _expectations(scenario)


def _layers(models: Sequence[ModelReport], *, every_weight: bool) -> str:
    header: list[str] = []
    for model in models:
        header += [
            f"{escape(wording.one_line(model.name))}: layer (type)",
            "output shape",
            "params",
        ]
    rows = []
    for row in line_up(models):
        cells: list[str] = []
        for position, layer in enumerate(row):
            cells += _layer(layer, row[0] if position else layer, every_weight)
        rows.append(cells)
    for label in ("params", "trainable_params", "non_trainable_params"):
        name = label.replace("_params", "").replace("_", "-")
        rows.append(
            [
                cell
                for model in models
                for cell in (f"**{name}**", "", f"**{wording.count(getattr(model, label))}**")
            ]
        )
    if any(model.mixes is not None for model in models):
        notes = [escape(wording.mixes_note(model)) for model in models]
        rows.append([cell for note in notes for cell in (note, "", "")])
    return _table(header, rows, "llr" * len(models))


def _layer(layer: LayerRow | None, reference: LayerRow | None, every_weight: bool) -> list[str]:
    if layer is None:
        return ["", "", ""]
    unlike = marks(reference, layer)
    sign = "" if reference is not None else "+ "
    lines = [f"{sign}{_unlike('type' in unlike)}{_name(layer)}"]
    if layer.formula:
        lines.append(_unlike("formula" in unlike) + escape(layer.formula))
    if every_weight:
        lines += [escape(wording.weight_words(weight)) for weight in layer.weights]
        lines += [
            _unlike("mixes" in unlike and note == wording.mixes_note(layer)) + escape(note)
            for note in wording.layer_notes(layer)
        ]
    elif layer.mixes is not None:
        lines.append(_unlike("mixes" in unlike) + escape(wording.mixes_note(layer)))
    lines += [
        f"{'&emsp;' * depth}└ {_name(held)}: {wording.count(held.params)}"
        for depth, held in wording.walk_layers(wording.opened(layer))
    ]
    shapes = "<br>".join(escape(text) for text in wording.shape_texts(layer.output_shape))
    return [
        "<br>".join(lines),
        _unlike("output_shape" in unlike) + shapes,
        _unlike("params" in unlike) + wording.count(layer.params),
    ]


def _unlike(differs: bool) -> str:
    return "≠ " if differs else ""


def _name(layer: LayerRow) -> str:
    return f"**{escape(wording.one_line(layer.name))}** ({escape(wording.one_line(layer.type))})"


def _pair(scenario: ScenarioReport, pair: PairReport, options: RenderOptions) -> Iterator[str]:
    expected = wording.expectation_of(scenario, pair)
    words = ""
    if expected is not None:
        held = "as expected" if expected.held else f"expected {wording.plain(expected.expected)}"
        words = f", {escape(held)}"
    verdict = escape(wording.verdict_words(pair))
    yield f"### {escape(wording.against(pair))}, {pair.mode}: {verdict}{words}"
    refused = wording.refusal_behind(scenario, pair)
    if refused is None:
        yield escape(pair.explanation)
    else:
        yield f"{escape(refused.heading)}<br>{_reason(refused)}"
    facts = pair_facts(scenario, pair, verbose=options.verbose)
    if facts:
        yield "\n".join(
            f"- **{fact.label}**: {'<br>'.join(escape(line) for line in fact.lines)}"
            for fact in facts
        )


def _reason(refused: wording.Refusal) -> str:
    remedy = f"<br>remedy: {escape(refused.remedy)}" if refused.remedy else ""
    return escape(refused.message) + remedy


def _fit(scenario: ScenarioReport) -> str:
    rows = []
    for row in scenario.fit:
        if row.error is not None:
            refused = wording.refusal(row.model, row.error)
            rows.append([escape(row.model), f"refused: {_reason(refused)}", ""])
        else:
            losses = escape(wording.losses_line(row.losses))
            rows.append([escape(row.model), losses, escape(wording.alike_words(row))])
    return _table(["trained", "losses", "against the reference"], rows, "lll")


def _expectations(scenario: ScenarioReport) -> str:
    rows = [
        [
            escape(row.subject),
            escape(wording.plain(row.expected)),
            escape(wording.plain(row.actual)),
            "held" if row.held else "**not held**",
        ]
        for row in scenario.expectations
    ]
    return _table(["expectation", "expected", "received", ""], rows, "llll")
