"""Render a report as text in one of six formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from rich.text import Text

    from layerlens.report.run import RunRecord
    from layerlens.scenario.yaml.positions import Position

Format = Literal["rich", "json", "markdown", "csv", "html", "github"]
FORMATS: tuple[Format, ...] = get_args(Format)
#: A scenario file becomes the line and column of every expectation, by its subject.
Places: TypeAlias = "Callable[[str], Mapping[str, Position]]"
#: What files of pictures end in.
PictureSuffix = Literal[".svg", ".png", ".html"]


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How much to show; `json`, `csv` and `html` always hold everything."""

    #: Every probe, weight, pairing and held expectation, not only the telling ones.
    verbose: bool = False
    #: Only the scenarios that did not pass, and the tally.
    quiet: bool = False
    #: Only why each pair came to its verdict, in sentences; `json`, `csv` and `html` as always.
    explain: bool = False
    #: No character outside ASCII of our own (for terminals that cannot show box characters).
    ascii: bool = False
    #: Where in a scenario file each expectation stands; `github` annotates its first line without.
    places: Places | None = None


def render(
    report: RunRecord,
    format: Format,  # noqa: A002 - the option's own name
    *,
    width: int | None = None,
    colour: bool = False,
    options: RenderOptions | None = None,
) -> str:
    """Return the report as text that ends in a newline.

    `width` is in columns and, like `colour`, only means something to `rich` (80 and plain unless
    said). Raises ValueError for an unknown format.
    """
    options = options or RenderOptions()
    match format:
        case "rich":
            from layerlens.render.formats.terminal import render_terminal

            return render_terminal(report, width=width or 80, colour=colour, options=options)
        case "json":
            from layerlens.render.formats.json import render_json

            return render_json(report)
        case "markdown":
            from layerlens.render.formats.markdown import render_markdown

            return render_markdown(report, options=options)
        case "csv":
            from layerlens.render.formats.csv import render_csv

            return render_csv(report)
        case "html":
            from layerlens.render.formats.html import render_html

            return render_html(report)
        case "github":
            from layerlens.render.formats.github import render_github

            return render_github(report, options.places)
    raise ValueError(f"unknown format {format!r}: one of {', '.join(FORMATS)}")


def rich_lines(report: RunRecord, width: int, *, ascii: bool = False) -> Iterator[Text]:  # noqa: A002
    """Yield the report as `rich` has it, for a console of rich's own."""
    from layerlens.render.formats.terminal import report_lines
    from layerlens.render.styled import to_ascii, without_hidden

    for line in report_lines(report, width, RenderOptions()):
        if ascii:
            line.plain = to_ascii(line.plain)  # of the same width: the styles stay in place
        line = without_hidden(line)
        line.no_wrap = True
        yield line
