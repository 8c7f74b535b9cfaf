"""The format `rich`: text for a terminal with tables, verdicts, reasons and a tally."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from layerlens.render import wording
from layerlens.render.layer_table import layer_table, legend
from layerlens.render.options import RenderOptions
from layerlens.render.pair_facts import pair_facts
from layerlens.render.pair_sentences import sentences_beside
from layerlens.render.short_table import ShortTable
from layerlens.render.step_grid import step_grids
from layerlens.render.styled import GLYPHS, fold, joined, rule, to_ascii, without_hidden
from layerlens.report.run import coded

if TYPE_CHECKING:
    from layerlens.report.layers import ModelReport
    from layerlens.report.pairs import PairReport
    from layerlens.report.run import ErrorRow, RunRecord, ScenarioReport
    from layerlens.report.training import FitRow

LABEL_WIDTH = 18
#: The greatest width of prose.
PROSE_WIDTH = 100
VERDICT_STYLES = {
    "equivalent": "bold green",
    "different": "bold red",
    "shape_mismatch": "bold yellow",
    "param_mismatch": "bold yellow",
    "build_error": "bold red",
    "within_quantization": "bold cyan",
    "inconclusive": "bold magenta",
}
STATUS_STYLES = {"pass": "green", "fail": "bold red", "error": "bold red", "unchecked": "yellow"}


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return the report as tables and folded lines, none wider than `options.width`."""
    return printed(report_lines(report, options), options)


def rich_lines(report: RunRecord, width: int, *, ascii: bool = False) -> Iterator[Text]:  # noqa: A002
    """Yield the report's styled lines, for the caller's console."""
    for line in report_lines(report, RenderOptions(width=width)):
        if ascii:
            line.plain = to_ascii(line.plain)  # of the same width, so that the styles still fit
        line = without_hidden(line)
        line.no_wrap = True
        yield line


def printed(lines: Iterable[Text], options: RenderOptions) -> str:
    """Return the lines as text that ends in a newline, with colours if `options.colour` is set."""
    safe = map(without_hidden, lines)
    # Without colour the same as rich's output, in a third of the time.
    plain = (f"{line.plain.rstrip()}\n" for line in safe)
    text = _styled(safe, options.width) if options.colour else "".join(plain)
    return to_ascii(text) if options.ascii else text


def _styled(lines: Iterable[Text], width: int) -> str:
    page = io.StringIO()
    console = Console(
        file=page,
        width=width,
        height=25,  # without effect; if not given, rich queries the terminal at every line
        force_terminal=True,
        color_system="standard",
        no_color=False,  # `options.colour` already takes NO_COLOR into account
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for line in lines:
        line.rstrip()
        console.print(line, soft_wrap=True)
    return page.getvalue()


def report_lines(report: RunRecord, options: RenderOptions) -> Iterator[Text]:
    """Yield the whole report, no line wider than `options.width`."""
    width = options.width
    several = len(report.scenarios) > 1
    for scenario in report.scenarios:
        if options.quiet and wording.is_quiet(scenario):
            continue
        if options.explain:
            yield from _explained(scenario, options)
        else:
            yield from _scenario(scenario, options)
        yield Text()
    if several and not options.quiet:
        yield rule(GLYPHS.horizontal * width)
        yield from _overview(report, width)
        yield Text()
    if several or options.quiet:
        yield from fold(Text(wording.tally(report), STATUS_STYLES[report.status]), width)
    if not options.quiet:
        yield from fold(Text(wording.environment_line(report), "dim"), width)


def _overview(report: RunRecord, width: int) -> Iterator[Text]:
    """Yield one line per scenario, as an overview at the end of a long page."""
    for scenario in report.scenarios:
        line = joined(_status_sign(scenario), Text(f" {wording.full_title(scenario)}"))
        if outcome := wording.outcome(scenario):
            line.append(f"  {outcome}", "dim" if wording.is_quiet(scenario) else "")
        yield from fold(line, width, hang=4)


def _status_sign(scenario: ScenarioReport) -> Text:
    if scenario.status == "unchecked":
        return Text(GLYPHS.neutral)
    if scenario.status != "pass":
        return Text(GLYPHS.wrong, "bold red")
    return Text(GLYPHS.right, "green")


def _scenario(scenario: ScenarioReport, options: RenderOptions) -> Iterator[Text]:
    width = options.width
    prose = min(width, PROSE_WIDTH)
    yield from _scenario_heading(scenario, width)
    if scenario.errors:
        yield Text()
        yield from _faults(scenario, prose, options)
    reference = scenario.pairs[0].reference if scenario.pairs else None
    models = wording.reference_first(scenario)
    for refused in wording.other_refusals(scenario):
        yield Text()
        yield from refusal_lines(refused, prose, f"{GLYPHS.wrong} ")
    for pair in scenario.pairs:
        yield Text()
        yield from pair_lines(scenario, pair, prose, options, figures=options.verbose)
    yield from _training(scenario.fit, models, prose)
    yield from _expectations(scenario, prose, options)
    if models:
        yield Text()
        yield from _tables(scenario, models, options, reference)
    if options.verbose or not scenario.pairs or _differ_in_steps(scenario):
        grids = list(step_grids(models, width))
        yield from ([Text(), *grids][: None if grids[-1].plain else -1] if grids else [])
    yield from _params_gaps(scenario, prose, options)


def _tables(
    scenario: ScenarioReport,
    models: Sequence[ModelReport],
    options: RenderOptions,
    reference: str | None,
) -> Iterator[Text]:
    if not options.verbose:
        table = ShortTable(models, scenario.diffs, options)
        yield from table.lines(compared=reference is not None)
        return
    yield from layer_table(
        models, scenario.diffs, options.width, reference=reference, every_weight=True
    )
    if meaning := legend(models, scenario.diffs):
        yield from fold(meaning, options.width, indent=2)


def _differ_in_steps(scenario: ScenarioReport) -> bool:
    """Return whether the models of a pair that is not equivalent were found to mix other steps."""
    mixes = {(model.mixes, model.window) for model in scenario.models if model.mixes is not None}
    return len(mixes) > 1 and any(pair.verdict != "equivalent" for pair in scenario.pairs)


def _explained(scenario: ScenarioReport, options: RenderOptions) -> Iterator[Text]:
    """Yield the reasons for each pair's verdict, and the faults."""
    width = options.width
    prose = min(width, PROSE_WIDTH)
    yield from _scenario_heading(scenario, width)
    if scenario.errors:
        yield Text()
        yield from _faults(scenario, prose, options)
    for pair in scenario.pairs:
        yield Text()
        yield from fold(_verdict(scenario, pair), prose, hang=2)
        for sentence in pair.why or (pair.explanation,):
            yield from fold(Text(wording.clean(sentence)), prose, indent=2)


def _params_gaps(scenario: ScenarioReport, width: int, options: RenderOptions) -> Iterator[Text]:
    """Yield the causes of the differences in params from the first model, where counts differ."""
    counts = {model.name: model.params for model in scenario.models}
    for diff in scenario.diffs:
        if not options.verbose and counts.get(diff.reference) == counts.get(diff.candidate):
            continue
        if (gap_text := wording.params_gap(scenario, diff)) is not None:
            yield Text()
            yield from fold(Text(gap_text[0]), width, indent=2)
            for gap in gap_text[1]:
                yield from fold(Text(gap), width, indent=4, hang=2)


def _scenario_heading(scenario: ScenarioReport, width: int) -> Iterator[Text]:
    yield rule(GLYPHS.horizontal * width)
    yield from fold(Text(wording.title_of(scenario), "bold"), width)
    facts = Text()
    if scenario.title:
        facts.append(f"{wording.one_line(scenario.path)} · ", "dim")
    if scenario.cell:
        facts.append(f"{wording.cell_text(scenario.cell)} · ")
    if scenario.pairs or scenario.status != "unchecked":
        facts.append(wording.status_words(scenario), STATUS_STYLES[scenario.status])
        facts.append(" · ", "dim")
    facts.append(f"{scenario.seconds:.1f} s{', cached' if scenario.cached else ''}", "dim")
    yield from fold(facts, width)
    if scenario.question:
        question = wording.one_line(scenario.question)
        yield from fold(Text(question, "italic"), min(width, PROSE_WIDTH))
    if answer := wording.answer_of(scenario):
        yield from fold(Text(answer), min(width, PROSE_WIDTH))


def _faults(scenario: ScenarioReport, width: int, options: RenderOptions) -> Iterator[Text]:
    """Yield the faults of a scenario, or how many standard error has."""
    if options.list_faults:
        for error in scenario.errors:
            yield from error_lines(error, width)
        return
    faults = wording.plural(len(scenario.errors), "fault")
    line = joined(Text(f"{GLYPHS.wrong} ", "bold red"))
    line.append(f"{faults}, printed to standard error")
    yield from fold(line, width, hang=2)


def error_lines(error: ErrorRow, width: int) -> Iterator[Text]:
    """Yield a fault with its place and hint."""
    place = wording.location(error)
    line = joined(Text(f"{GLYPHS.wrong} ", "bold red"))
    line.append(f"{place}: " if place else "", "bold")
    line.append(wording.clean(coded(error)))
    yield from fold(line, width, hang=2)
    if error.hint:
        yield from fold(Text(f"hint: {wording.clean(error.hint)}"), width, indent=2, hang=2)


def refusal_lines(refused: wording.RefusalText, width: int, sign: str = "") -> Iterator[Text]:
    """Yield why Keras refused a model, and the remedy."""
    heading = Text(f"{sign}{refused.heading}:", "bold red" if sign else "")
    yield from fold(heading, width, indent=0 if sign else 2, hang=2)
    yield from fold(Text(refused.message), width, indent=2)
    if refused.remedy:
        remedy = Text("hint: ", "bold")
        remedy.append(refused.remedy, "not bold")
        yield from fold(remedy, width, indent=2, hang=2)


def pair_lines(
    scenario: ScenarioReport,
    pair: PairReport,
    width: int,
    options: RenderOptions,
    *,
    figures: bool,
) -> Iterator[Text]:
    """Yield a pair's verdict and explanation and, with `figures`, the facts behind it."""
    yield from fold(_verdict(scenario, pair), width, hang=2)
    refused = wording.pair_refusal(scenario, pair)
    if refused is not None:
        yield from refusal_lines(refused, width)
    else:
        for sentence in sentences_beside(scenario, pair):
            yield from fold(Text(sentence), width, indent=2)
    facts = pair_facts(scenario, pair, verbose=options.verbose) if figures else []
    for fact in facts:
        label = fact.label
        for line in fact.lines:
            text = line.lstrip(" ")
            indent = len(line) - len(text)
            heading = Text(f"  {label}".ljust(LABEL_WIDTH), "dim")
            folded = fold(Text(text), width - LABEL_WIDTH, indent=indent, hang=2)
            for part in folded:
                yield joined(heading, part)
                heading = Text(" " * LABEL_WIDTH)
            label = ""


def _verdict(scenario: ScenarioReport, pair: PairReport) -> Text:
    expected = wording.expectation_of(scenario, pair)
    sign, style = GLYPHS.neutral, ""
    if expected is not None:
        held = expected.held and wording.weights_held(scenario, pair)
        sign, style = (GLYPHS.right, "green") if held else (GLYPHS.wrong, "bold red")
    line = joined(Text(f"{sign} ", style))
    line.append(wording.pair_name(pair), "bold")
    line.append(f", {pair.mode}" if _has_modes(scenario) else "")
    line.append(": ")
    verdict_style = VERDICT_STYLES[pair.verdict]
    if expected is not None and expected.held and pair.verdict != "inconclusive":
        verdict_style = "bold green"  # what is expected is not shown in red
    line.append(pair.verdict.replace("_", " ").upper(), verdict_style)
    line.append(f", {pair.strength}" if pair.strength else "")
    if expected is not None:
        words = (
            "as expected" if expected.held else f"expected {wording.value_text(expected.expected)}"
        )
        line.append(f", {words}", style)
    line.append(wording.weights_note(pair), "bold red")
    return line


def _has_modes(scenario: ScenarioReport) -> bool:
    return any(pair.mode != "inference" for pair in scenario.pairs)


def _training(rows: Sequence[FitRow], models: Sequence[ModelReport], width: int) -> Iterator[Text]:
    if not rows:
        return
    yield Text()
    yield Text("Trained from the same weights on the same data", "bold")
    for row in rows:
        if row.error is not None:
            refused = wording.refusal(row.model, row.error, "to train ")
            yield from refusal_lines(refused, width, f"{GLYPHS.wrong} ")
            continue
        line = Text(f"  {wording.one_line(row.model)}: ")
        line.append(wording.losses_line(row.losses))
        if words := wording.training_words(row):
            line.append(f"; {words}", "yellow" if row.alike is False else "")
        yield from fold(line, width, hang=4)


def _expectations(scenario: ScenarioReport, width: int, options: RenderOptions) -> Iterator[Text]:
    rows = scenario.expectations
    if not rows:
        return
    yield Text()
    style = "green" if all(row.held for row in rows) else "bold red"
    yield Text(wording.expectations_tally(scenario), style)
    for row in rows:
        if options.verbose or not row.held:
            line = Text(f"{GLYPHS.right if row.held else GLYPHS.wrong} ", "" if row.held else "red")
            yield from fold(
                joined(line, Text(wording.expectation_line(row))), width, indent=2, hang=2
            )
