"""Plan the heat map of a pair: where in the output the two differ."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from layerlens.render.pictures.scales import WIDE, badness, decades, mark, short_name
from layerlens.render.pictures.unrolled import Plan
from layerlens.render.wording import count, figure
from layerlens.report.maps import HeatMap
from layerlens.report.pairs import PairReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from layerlens.render.pictures.canvas import Area

#: The least height of the bar that tells what the colours mean.
_BAR = 0.9


def heat_plan(pair: PairReport) -> Plan | None:
    """Return the plan of the map of differences; None where nothing differs or was compared."""
    heat = pair.differences
    if heat is None:
        return None
    width, height = _extent(heat)
    tall = max(height, _BAR) + 0.65
    return Plan(_heat_caption(heat, pair), width + 2.0, tall, partial(_draw_heat, heat))


def _is_over_time(heat: HeatMap) -> bool:
    """Tell whether rows are time steps: time runs to the right."""
    return heat.rows == "step"


def _extent(heat: HeatMap) -> tuple[float, float]:
    down, across = len(heat.cells), len(heat.cells[0])
    if _is_over_time(heat):
        down, across = across, down
    size = min(0.24, 6.0 / across, 4.0 / down)
    return max(size * across, 1.2), max(size * down, 0.24)


def _heat_caption(heat: HeatMap, pair: PairReport) -> str:
    greatest = max((cell for row in heat.cells for cell in row), key=badness)
    row, column = next(
        (r, c)
        for r, cells in enumerate(heat.cells)
        for c, cell in enumerate(cells)
        if cell == greatest or cell != cell
    )
    at = _range(heat.columns, column, heat.block[1], heat.shape[1])
    if len(heat.cells) > 1 or heat.rows != "output":
        at = f"{_range(heat.rows, row, heat.block[0], heat.shape[0])}, {at}"
    equal = sum(cell == 0 for cells in heat.cells for cell in cells)
    total = len(heat.cells) * len(heat.cells[0])
    parts = [
        f"The greatest absolute difference over all probes and weights is {figure(greatest)}, "
        f"at {at}.",
        f"Rounding explains up to {figure(pair.rounding.expected)}."
        if pair.rounding is not None and pair.rounding.expected is not None
        else "",
        f"Blank is exactly equal: {count(equal)} of {count(total)} cells." if equal else "",
    ]
    if heat.block != (1, 1):
        parts.append(
            f"Each cell stands for up to {heat.block[0]} × {heat.block[1]} values of "
            f"{count(heat.shape[0])} × {count(heat.shape[1])}."
        )
    return " ".join(part for part in parts if part)


def _range(axis: str, place: int, block: int, total: int) -> str:
    first = place * block
    last = min(first + block, total) - 1
    if axis.startswith("axis"):
        axis = f"{axis}, index"
    return f"{axis} {first}" if first == last else f"{axis} {first}–{last}"


def _draw_heat(heat: HeatMap, area: Area) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    from layerlens.render.pictures.canvas import COLOURS, HEAT

    cells = [list(row) for row in heat.cells]
    rows, columns = heat.shape
    names = short_name(heat.rows), short_name(heat.columns)
    if _is_over_time(heat):
        cells = [list(row) for row in zip(*cells, strict=True)]
        rows, columns = columns, rows
        names = names[::-1]
    finite = [c for row in cells for c in row if 0 < c < math.inf]
    low, high = min(finite, default=1.0), max(finite, default=1.0)
    wide = high > WIDE * low
    norm = LogNorm(low, high) if wide else Normalize(0.0, high)
    colours = colormaps[HEAT].with_extremes(bad="none", over=COLOURS["bad"])
    shown = [[math.nan if c == 0 else c for c in row] for row in cells]
    width, height = _extent(heat)
    top = area.height - 0.15
    axes = area.axes(0.75, top - height, width, height)
    across = heat.block[0] if _is_over_time(heat) else heat.block[1]
    down = heat.block[1] if _is_over_time(heat) else heat.block[0]
    image = axes.imshow(
        shown,
        norm=norm,
        cmap=colours,
        aspect="auto",
        interpolation="none",
        extent=(-0.5, len(cells[0]) * across - 0.5, len(cells) * down - 0.5, -0.5),
    )
    axes.set_xlabel(names[1], color=COLOURS["soft"])
    axes.set_xticks(_ticks(columns))
    if names[0] == "output":
        axes.set_yticks([])
    else:
        axes.set_ylabel(names[0], color=COLOURS["soft"])
        axes.set_yticks(_ticks(rows))
    bar_height = max(height, _BAR)
    bar_axes = area.axes(0.75 + width + 0.15, top - bar_height, 0.12, bar_height)
    bar = area.figure.colorbar(image, cax=bar_axes, extend="neither")
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)
    _quiet_ticks(bar_axes, low, high, wide)
    if bar_height > 1.3:  # else the words would not fit, and the caption says it too
        bar_axes.set_ylabel("max abs difference", color=COLOURS["soft"], size=7)


def _ticks(length: int) -> list[int]:
    """Return places that read well: every one of a few, else every 2nd, 5th, 10th, ..."""
    step = next(s for n in range(12) for s in (10**n, 2 * 10**n, 5 * 10**n) if length / s <= 12)
    return list(range(0, length, step))


def _quiet_ticks(axes: Axes, low: float, high: float, wide: bool) -> None:
    from matplotlib.ticker import NullLocator

    from layerlens.render.pictures.canvas import COLOURS

    marks = decades(low, high) if wide else [0.0, high / 2, high]
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(marks, [mark(number) for number in marks])
    axes.tick_params(length=2, color=COLOURS["line"], labelcolor=COLOURS["soft"], labelsize=7)
