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
from layerlens.render.reasons import failure_text, fault_text
from layerlens.report.run import RunRecord, ScenarioReport


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return one command per line, and the tally at the end."""
    lines = [line for one in report.scenarios for line in _scenario(one)]
    return "\n".join([*lines, wording.tally(report)]) + "\n"


def _scenario(scenario: ScenarioReport) -> Iterator[str]:
    title = wording.full_title(scenario)
    for error in scenario.errors:
        file = error.file or scenario.path
        yield _error(file, error.line, error.column, title, fault_text(error))
    for row in scenario.expectations:
        if not row.held:
            yield _error(scenario.path, row.line, row.column, title, failure_text(scenario, row))


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
