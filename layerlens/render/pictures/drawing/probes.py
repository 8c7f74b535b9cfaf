"""Draw the differences of a pair by probe."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from layerlens.render.pictures.drawing.area import COLOURS, Area, legend_above
from layerlens.render.pictures.probes import ROW, Probes
from layerlens.render.pictures.scales import decades, mark, short_name


def draw_probes(probes: Probes, area: Area) -> None:
    """Draw a row per probe: its differences, and a bar up to what rounding explains."""
    rows = probes.rows

    figures = [n for row in rows for n in (row.max_abs, row.noise, row.float64_max_abs)]
    # Strings and booleans are not rounded: their difference is zero or infinite.
    positive = [n for n in figures if n is not None and 0 < n < math.inf] or [1.0]
    low = 10.0 ** math.floor(math.log10(min(positive)))
    high = 10.0 ** math.ceil(math.log10(max(positive) * 1.01))
    zero, infinite = low / 10.0, high * 10.0
    unbounded = any(n is not None and not math.isfinite(n) for n in figures)

    def at(number: float | None) -> float:
        assert number is not None
        return zero if number == 0 else number if math.isfinite(number) else infinite

    names = probes.names_width
    axes = area.axes(names + 0.1, 0.45, area.width - names - 0.25, len(rows) * ROW + 0.1)
    axes.set_xscale("log")
    axes.set(xlim=(zero / 2, (infinite if unbounded else high) * 2), ylim=(len(rows) - 0.4, -0.6))
    axes.hlines(
        range(len(rows)),
        zero / 2,
        [at(row.noise) for row in rows],
        color=COLOURS["line"],
        linewidth=ROW * 0.72 * 72,
        label="explained by rounding up to here",
        zorder=1,
    )
    _dots(axes, [row.float64_max_abs for row in rows], at, hollow=True)
    _dots(axes, [row.max_abs for row in rows], at, hollow=False)
    axes.set_yticks([])
    for n, row in enumerate(rows):
        height = 0.45 + (len(rows) - 0.4 - n) * ROW * (len(rows) * ROW + 0.1) / (
            (len(rows) + 0.2) * ROW
        )
        area.text(
            names,
            height,
            short_name(row.name),
            ha="right",
            va="center",
            size=7,
            color=COLOURS["ink"],
        )
    marks = decades(low, high)
    labels = [mark(number) for number in marks]
    if any(n == 0 for n in figures):  # room for the word
        marks, labels = (
            [zero, *(m for m in marks if m > low)],
            ["equal", *labels[marks[0] == low :]],
        )
    if unbounded:
        marks, labels = [*marks, infinite], [*labels, "∞ or NaN"]
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(marks, labels)
    axes.set_xlabel("greatest absolute difference (logarithmic)", color=COLOURS["soft"])
    axes.spines["left"].set_visible(False)
    legend_above(axes, borderaxespad=0.2, handletextpad=0.4)


def _dots(
    axes: Axes,
    numbers: Sequence[float | None],
    at: Callable[[float | None], float],
    *,
    hollow: bool,
) -> None:
    places = [n for n, number in enumerate(numbers) if number is not None]
    colour = COLOURS["soft" if hollow else "bad"]
    axes.plot(
        [at(numbers[n]) for n in places],
        places,
        linestyle="none",
        marker="o",
        markersize=6.5 if hollow else 3.8,
        markerfacecolor="none" if hollow else colour,
        markeredgecolor=colour,
        label="in float64" if hollow else "in working precision",
        zorder=2 if hollow else 3,
        clip_on=False,
    )
