"""The output formats and what can be chosen about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

#: Each is the name of a module in `layerlens.render.formats`.
Format = Literal["rich", "json", "markdown", "csv", "html", "github"]
FORMATS: tuple[Format, ...] = get_args(Format)
#: The file types of pictures.
PictureSuffix = Literal[".svg", ".png", ".html"]


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How much to show and in what space; `json`, `csv` and `html` always hold everything."""

    #: Columns of a terminal; only `rich` folds its lines.
    width: int = 80
    #: Whether `rich` uses terminal colours.
    colour: bool = False
    #: Every probe, weight, pairing and expectation that holds, not only those that matter.
    verbose: bool = False
    #: Only the scenarios that did not pass, and the tally.
    quiet: bool = False
    #: Only the sentences that explain each verdict.
    explain: bool = False
    #: Box characters and signs are replaced by ASCII, for terminals that cannot show them.
    ascii: bool = False
