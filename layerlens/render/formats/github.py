"""The format `github`: workflow commands that annotate lines of scenario files.

One `::error` for each expectation that does not hold and each fault; the tally as plain text.
The escapes are those of GitHub's own toolkit (`packages/core/src/command.ts`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from layerlens.plain.printable import visible, without_commands
from layerlens.render import wording
from layerlens.render.options import RenderOptions
from layerlens.render.pair_facts import pair_facts
from layerlens.render.pair_sentences import pair_sentences
from layerlens.report.run import ErrorRow, ExpectationRow, RunRecord, ScenarioReport

#: The facts of a pair in an annotation, which has room for a few lines.
_FACTS = ("difference", "rounding")


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return one command per line, and the tally at the end."""
    lines = [line for one in report.scenarios for line in _scenario(one)]
    return "\n".join([*lines, wording.tally(report)]) + "\n"


def _scenario(scenario: ScenarioReport) -> Iterator[str]:
    title = wording.full_title(scenario)
    for error in scenario.errors:
        file = error.file or scenario.path
        yield _error(file, error.line, error.column, title, _fault_text(error))
    for row in scenario.expectations:
        if not row.held:
            yield _error(scenario.path, row.line, row.column, title, _text(scenario, row))


def _fault_text(error: ErrorRow) -> str:
    return error.message + (f"\nhint: {error.hint}" if error.hint else "")


def _text(scenario: ScenarioReport, row: ExpectationRow) -> str:
    lines = [wording.expectation_line(row)]
    for pair in scenario.pairs:
        if wording.is_about_weights(row, pair):
            lines.append(wording.clean(pair.explanation))
        if wording.expectation_of(scenario, pair) is not row:
            continue
        refused = wording.pair_refusal(scenario, pair)
        if refused is None:
            lines += pair_sentences(pair)
        else:
            lines += [refused.heading, refused.message]
            lines += [f"hint: {refused.remedy}"] if refused.remedy else []
        for fact in pair_facts(scenario, pair, verbose=False):
            if fact.label in _FACTS:
                lines.append(f"{fact.label}: {'; '.join(line.strip() for line in fact.lines)}")
    return "\n".join(lines)


def _error(file: str, line: int | None, column: int | None, title: str, text: str) -> str:
    properties = {
        "file": _in_workspace(file),
        "line": str(line or 1),
        "col": str(column or 1),
        "title": title,
    }
    properties_text = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::error {properties_text}::{_data(text)}"


def _in_workspace(file: str) -> str:
    """Return the path relative to the root of the checkout, as GitHub expects."""
    here = Path.cwd()
    path = here / file
    root = Path(os.environ.get("GITHUB_WORKSPACE") or here)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else file


def _data(text: str) -> str:
    return (
        without_commands(visible(text), at_beginnings=False)
        .replace("%", "%25")
        .replace("\r", "%0D")
        .replace("\n", "%0A")
    )


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
