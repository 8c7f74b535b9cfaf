"""Draw the heat map of a pair."""

from __future__ import annotations

import math

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import NullLocator

from layerlens.render.pictures.drawing.area import COLOURS, HEAT, Area
from layerlens.render.pictures.heat import BAR, extent, is_over_time
from layerlens.render.pictures.scales import WIDE, decades, mark, short_name
from layerlens.report.maps import HeatMap


def draw_heat(heat: HeatMap, area: Area) -> None:
    """Draw the map with a colour bar."""
    cells = [list(row) for row in heat.cells]
    rows, columns = heat.shape
    names = short_name(heat.rows), short_name(heat.columns)
    if is_over_time(heat):
        cells = [list(row) for row in zip(*cells, strict=True)]
        rows, columns = columns, rows
        names = names[::-1]
    finite = [c for row in cells for c in row if 0 < c < math.inf]
    low, high = min(finite, default=1.0), max(finite, default=1.0)
    wide = high > WIDE * low
    norm = LogNorm(low, high) if wide else Normalize(0.0, high)
    colours = colormaps[HEAT].with_extremes(bad="none", over=COLOURS["bad"])
    shown = [[math.nan if c == 0 else c for c in row] for row in cells]
    width, height = extent(heat)
    top = area.height - 0.15
    axes = area.axes(0.75, top - height, width, height)
    across = heat.block[0] if is_over_time(heat) else heat.block[1]
    down = heat.block[1] if is_over_time(heat) else heat.block[0]
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
    bar_height = max(height, BAR)
    bar_axes = area.axes(0.75 + width + 0.15, top - bar_height, 0.12, bar_height)
    bar = area.figure.colorbar(image, cax=bar_axes, extend="neither")
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)
    _quiet_ticks(bar_axes, low, high, wide)
    if bar_height > 1.3:  # otherwise the words do not fit; the caption says the same
        bar_axes.set_ylabel("max abs difference", color=COLOURS["soft"], size=7)


def _ticks(length: int) -> list[int]:
    """Return at most 12 positions of ticks: every one, or every 2nd, 5th, 10th, ..."""
    step = next(s for n in range(12) for s in (10**n, 2 * 10**n, 5 * 10**n) if length / s <= 12)
    return list(range(0, length, step))


def _quiet_ticks(axes: Axes, low: float, high: float, wide: bool) -> None:
    marks = decades(low, high) if wide else [0.0, high / 2, high]
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(marks, [mark(number) for number in marks])
    axes.tick_params(length=2, color=COLOURS["line"], labelcolor=COLOURS["soft"], labelsize=7)
