"""Draw pictures with matplotlib, as SVG or PNG.

Figures do not use pyplot or the user's settings, so that the same report gives the same bytes. Text
stays text, and a name is never parsed as a formula.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from layerlens.plain.printable import clean
from layerlens.render.pictures import Picture
from layerlens.render.pictures.drawing.area import COLOURS, Area
from layerlens.render.pictures.drawing.heat import draw_heat
from layerlens.render.pictures.drawing.losses import draw_losses
from layerlens.render.pictures.drawing.probes import draw_probes
from layerlens.render.pictures.drawing.unrolled import draw_unrolled
from layerlens.render.pictures.losses import Losses
from layerlens.render.pictures.probes import Probes
from layerlens.render.pictures.unrolled import Unrolled
from layerlens.report.maps import HeatMap

DOTS_PER_INCH = 144
#: The space between the pictures of a sheet and around them, in inches.
_GAP, _MARGIN = 0.45, 0.3
_TITLE = 0.3
#: The width of a sheet, in inches, beyond which pictures of one kind continue in another row.
_SHEET_WIDTH = 14.0


def inline_svgs(pictures: Iterable[Picture]) -> Iterator[str]:
    """Yield the pictures of one page as `svg` elements in the page's colours."""
    with _settings():
        for number, picture in enumerate(pictures):
            yield _inline_svg(picture, number)


def _inline_svg(picture: Picture, number: int) -> str:
    """Return one picture; its number on the page makes the ids of its elements unique."""
    figure = Figure(figsize=(picture.width, picture.height), dpi=72)
    figure.patch.set_visible(False)
    _draw(picture, Area(figure, 0, 0, picture.width, picture.height))
    svg = _svg_of(figure, f"picture {number}")
    svg = _DISPENSABLE.sub("", svg[svg.index("<svg") :])
    return _TAG.sub(lambda tag: _for_a_page(tag[0]), svg).strip()


def _draw(picture: Picture, area: Area) -> None:
    match picture.content:
        case Unrolled():
            draw_unrolled(picture.content, area)
        case HeatMap():
            draw_heat(picture.content, area)
        case Probes():
            draw_probes(picture.content, area)
        case Losses():
            draw_losses(picture.content, area)


def _for_a_page(tag: str) -> str:
    """Return a tag in the page's colours and font, without unused attributes."""
    tag = _COLOUR.sub(lambda found: f"var(--{_names()[found[0]]})", tag)
    return _SPACE.sub(" ", _NUMBER.sub(r"\1", _UNNEEDED.sub("", tag)))


def sheet(pictures: Sequence[tuple[str, Sequence[Picture]]], suffix: str) -> bytes:
    """Return all pictures as one SVG or PNG file: each heading with its pictures below it."""
    rows = [row for heading, several in pictures for row in _rows(heading, several)]
    width = max(row.width for row in rows) + 2 * _MARGIN
    height = sum(row.height + _GAP for row in rows) + 2 * _MARGIN - _GAP
    figure = Figure(figsize=(width, height), dpi=72, facecolor=COLOURS["paper"])
    with _settings():
        top = height - _MARGIN
        for row in rows:
            row.draw(figure, top)
            top -= row.height + _GAP
        return _svg_of(figure, "sheet").encode() if suffix == ".svg" else _png_of(figure)


@dataclass(frozen=True, slots=True)
class _Row:
    heading: str
    pictures: tuple[Picture, ...]

    @property
    def width(self) -> float:
        return sum(one.width + _GAP for one in self.pictures) - _GAP

    @property
    def height(self) -> float:
        tallest = max(one.height for one in self.pictures)
        return tallest + _TITLE * (2 if self.heading else 1)

    def draw(self, figure: Figure, top: float) -> None:
        if self.heading:
            _write_line(figure, _MARGIN, top, self.heading, size=13)
            top -= _TITLE
        left = _MARGIN
        for picture in self.pictures:
            _write_line(figure, left, top, picture.title, size=10)
            bottom = top - _TITLE - picture.height
            _draw(picture, Area(figure, left, bottom, picture.width, picture.height))
            left += picture.width + _GAP


def _write_line(figure: Figure, left: float, top: float, words: str, *, size: int) -> None:
    """Write a bold line at a position in inches."""
    width, height = figure.get_size_inches()
    x, y = left / width, (top - 0.1) / height
    figure.text(x, y, clean(words), size=size, weight="bold", color=COLOURS["ink"])


def _rows(heading: str, pictures: Sequence[Picture]) -> Iterator[_Row]:
    """Return rows of pictures of one kind next to each other, as many as fit on a sheet."""
    row: list[Picture] = []
    for picture in pictures:
        wide = sum(one.width + _GAP for one in row) + picture.width > _SHEET_WIDTH
        if row and (wide or row[-1].kind != picture.kind):
            yield _Row(heading, tuple(row))
            heading, row = "", []
        row.append(picture)
    if row:
        yield _Row(heading, tuple(row))


@contextmanager
def _settings() -> Iterator[None]:
    """Context manager that draws with fixed settings and restores the previous ones."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A warning about characters missing in the font: the viewer's font shows them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        defaults = matplotlib.rcParamsDefault
        # Reading the backend's setting would choose one for the whole process.
        ours: dict[Any, Any] = {name: defaults[name] for name in defaults if name != "backend"}
        ours |= {"svg.fonttype": "none", "text.parse_math": False, "font.size": 8}
        matplotlib.rcParams.update(ours)
        yield


def _svg_of(figure: Figure, salt: str) -> str:
    file = io.StringIO()
    matplotlib.rcParams["svg.hashsalt"] = f"layerlens {salt}"
    # No metadata that changes between runs or describes the machine.
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.set_canvas(FigureCanvasSVG(figure))
    figure.savefig(file, format="svg", metadata=nothing)
    return clean(file.getvalue())


def _png_of(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.set_canvas(FigureCanvasAgg(figure))
    figure.savefig(file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return file.getvalue()


_COLOUR = re.compile("|".join(COLOURS.values()))
_TAG = re.compile(r"<[a-z][^>]*>")
#: Comments, which repeat texts; matplotlib's style of the whole page; indentation.
_DISPENSABLE = re.compile(r"<!--.*?-->|<defs>\s*<style.*?</style>\s*</defs>|(?<=>)\s+(?=<)", re.S)
#: Ids of groups, and fonts.
_UNNEEDED = re.compile(r' id="[A-Za-z0-9.]+_\d+"|font-family: [^;"]*;? ?')
_SPACE = re.compile(r"\s+")
#: Coordinates in points are cut to two decimals.
_NUMBER = re.compile(r"(\d+\.\d\d)\d+")


@cache
def _names() -> dict[str, Any]:
    return {code: name for name, code in COLOURS.items()}
