"""The output formats and their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

#: Each is the name of a module in `layerlens.render.formats`.
Format = Literal["rich", "json", "markdown", "csv", "html", "github", "junit", "lines"]
#: When a report has colors.
Color = Literal["auto", "always", "never"]
COLORS: tuple[Color, ...] = get_args(Color)
FORMATS: tuple[Format, ...] = get_args(Format)
#: The suffix of a report's file → its format.
FORMAT_OF_SUFFIX: Mapping[str, Format] = {
    ".json": "json",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
    ".html": "html",
    ".htm": "html",
    ".xml": "junit",
}
#: The columns that the short table can have.
Column = Literal["input", "output", "params", "trainable", "dtype", "bytes", "multiply-adds"]
COLUMNS: tuple[Column, ...] = get_args(Column)
#: The file types of pictures.
PictureSuffix = Literal[".svg", ".png", ".html"]


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How much to show and at what width; `json`, `csv` and `html` always show everything."""

    #: The columns of the terminal; only `rich` folds its lines.
    width: int = 80
    #: Whether `rich` uses terminal colours.
    colour: bool = False
    #: Whether to show every probe, weight, pairing and expectation.
    verbose: bool = False
    #: Whether to show only the scenarios that did not pass, and the tally.
    quiet: bool = False
    #: Whether to show only the sentences that explain each verdict.
    explain: bool = False
    #: Whether the short table explains each count of params: `4 inputs × 2 units + 2 biases`.
    counts: bool = False
    #: The depth to which the layers of nested models are listed; None is all of them.
    depth: int | None = None
    #: The columns of the short table beside the layers' names.
    columns: tuple[Column, ...] = ("output", "params")
    #: Whether to replace box characters and signs by ASCII.
    ascii: bool = False
    #: Whether `rich` lists the faults of scenarios; False where standard error has them already.
    list_faults: bool = True
