"""The output formats and what can be chosen about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from layerlens.scenario.yaml.positions import Position

#: Each is the name of a module in `layerlens.render.formats`.
Format = Literal["rich", "json", "markdown", "csv", "html", "github"]
FORMATS: tuple[Format, ...] = get_args(Format)
#: From the path of a scenario file to the line and column of its expectations, by subject.
Places: TypeAlias = "Callable[[str], Mapping[str, Position]]"
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
    #: Finds the expectations of a scenario file; without it `github` annotates the first line.
    places: Places | None = None
