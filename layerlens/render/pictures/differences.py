"""Pairs and training enter, plans of their pictures leave: where, on which probes, how it went."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from layerlens.maps import HeatMap
from layerlens.render.pictures.unrolled import Plan
from layerlens.render.wording import count, figure, one_line, plural
from layerlens.report import FitRow, PairReport, ProbeRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from layerlens.render.pictures.canvas import Area

#: Of more probes, those with the greatest differences are drawn.
MOST_PROBES = 30
_ROW = 0.17
_NAME_LENGTH = 34
#: From this ratio of greatest to least on, a linear axis would hide the small ones.
_WIDE = 100.0
#: The least height of the bar that tells what the colours mean.
_BAR = 0.9


# --- where ----------------------------------------------------------------------------------------


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
    greatest = max((cell for row in heat.cells for cell in row), key=_badness)
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


def _badness(number: float) -> float:
    return math.inf if math.isnan(number) else number


def _draw_heat(heat: HeatMap, area: Area) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    from layerlens.render.pictures.canvas import COLOURS, HEAT

    cells = [list(row) for row in heat.cells]
    rows, columns = heat.shape
    names = heat.rows, heat.columns
    if _is_over_time(heat):
        cells = [list(row) for row in zip(*cells, strict=True)]
        rows, columns = columns, rows
        names = heat.columns, heat.rows
    finite = [c for row in cells for c in row if 0 < c < math.inf]
    low, high = min(finite, default=1.0), max(finite, default=1.0)
    wide = high > _WIDE * low
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

    marks = _decades(low, high) if wide else [0.0, high / 2, high]
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(marks, [_mark(mark) for mark in marks])
    axes.tick_params(length=2, color=COLOURS["line"], labelcolor=COLOURS["soft"], labelsize=7)


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    step = max(1, -(-(last - first) // 5))
    return [10.0**n for n in range(first, last + 1, step)] or [low, high]


def _mark(number: float) -> str:
    return "0" if number == 0 else f"{number:.2g}"


# --- on which probes ------------------------------------------------------------------------------


def probes_plan(pair: PairReport) -> Plan | None:
    """Return the plan of the probes' differences against the noise floor; None without any.

    Where all probes agree exactly there is nothing to see.
    """
    rows = _worst(pair.probes)
    if not any(row.max_abs for row in rows):
        return None
    shown = rows[:MOST_PROBES]
    height = len(shown) * _ROW + 0.95
    return Plan(_probes_caption(rows), 8.6, height, partial(_draw_probes, shown))


def _worst(probes: Iterable[ProbeRow]) -> list[ProbeRow]:
    """Return each probe in the way of calling with its greatest difference, the greatest first."""
    worst: dict[str, ProbeRow] = {}
    for row in probes:
        if row.max_abs is None or row.noise is None:
            continue
        if row.name not in worst or _badness(row.max_abs) > _badness(worst[row.name].max_abs or 0):
            worst[row.name] = row
    return sorted(worst.values(), key=lambda row: -_badness(row.max_abs or 0))


def _probes_caption(rows: Sequence[ProbeRow]) -> str:
    above = sum(_badness(row.max_abs or 0) > (row.noise or 0) for row in rows)
    agree = "all differences stay within what rounding explains"
    beyond = f"{count(above)} of them differ by more than rounding explains"
    parts = [
        f"{plural(len(rows), 'probe')}, the greatest difference first: "
        f"{beyond if above else agree}.",
        "Rounding shrinks in float64, a real difference stays.",
    ]
    if len(rows) > MOST_PROBES:
        parts.append(f"Drawn are the {MOST_PROBES} that are furthest apart.")
    return " ".join(parts)


def _draw_probes(rows: Sequence[ProbeRow], area: Area) -> None:
    from matplotlib.ticker import NullLocator

    from layerlens.render.pictures.canvas import COLOURS

    figures = [n for row in rows for n in (row.max_abs, row.noise, row.float64_max_abs)]
    positive = [n for n in figures if n is not None and 0 < n < math.inf]
    low = 10.0 ** math.floor(math.log10(min(positive)))
    high = 10.0 ** math.ceil(math.log10(max(positive) * 1.01))
    zero, infinite = low / 10.0, high * 10.0
    unbounded = any(n is not None and not math.isfinite(n) for n in figures)

    def at(number: float | None) -> float:
        assert number is not None
        return zero if number == 0 else number if math.isfinite(number) else infinite

    axes = area.axes(2.3, 0.45, area.width - 2.45, len(rows) * _ROW + 0.1)
    axes.set_xscale("log")
    axes.set(xlim=(zero / 2, (infinite if unbounded else high) * 2), ylim=(len(rows) - 0.4, -0.6))
    axes.hlines(
        range(len(rows)),
        zero / 2,
        [at(row.noise) for row in rows],
        color=COLOURS["line"],
        linewidth=_ROW * 0.72 * 72,
        label="up to here rounding explains it",
        zorder=1,
    )
    _dots(axes, [row.float64_max_abs for row in rows], at, hollow=True)
    _dots(axes, [row.max_abs for row in rows], at, hollow=False)
    axes.set_yticks([])
    for n, row in enumerate(rows):
        height = 0.45 + (len(rows) - 0.4 - n) * _ROW * (len(rows) * _ROW + 0.1) / (
            (len(rows) + 0.2) * _ROW
        )
        area.text(
            2.2, height, _short(row.name), ha="right", va="center", size=7, color=COLOURS["ink"]
        )
    marks = _decades(low, high)
    labels = [_mark(mark) for mark in marks]
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
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=7,
        labelcolor=COLOURS["ink"],
        borderaxespad=0.2,
        handletextpad=0.4,
    )


def _dots(
    axes: Axes,
    numbers: Sequence[float | None],
    at: Callable[[float | None], float],
    *,
    hollow: bool,
) -> None:
    from layerlens.render.pictures.canvas import COLOURS

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


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _NAME_LENGTH else f"{line[: _NAME_LENGTH - 1]}…"


# --- how training went ----------------------------------------------------------------------------

_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "accent", "linestyle": "-", "marker": "o", "linewidth": 2.4, "markersize": 5},
    {"color": "bad", "linestyle": "--", "marker": "s", "linewidth": 1.2, "markersize": 3.5},
    {"color": "warn", "linestyle": ":", "marker": "^", "linewidth": 1.4, "markersize": 4},
    {"color": "soft", "linestyle": "-.", "marker": "D", "linewidth": 1.2, "markersize": 3.5},
)


def losses_plan(rows: Sequence[FitRow]) -> Plan | None:
    """Return the plan of the loss curves; None where nothing was trained."""
    trained = [row for row in rows if any(map(math.isfinite, row.losses))]
    if not trained:
        return None
    ends = "; ".join(
        f"{one_line(row.model)} {figure(row.losses[0])} to {figure(row.losses[-1])}"
        for row in trained
    )
    epochs = plural(max(len(row.losses) for row in trained), "epoch")
    caption = f"Loss over {epochs}, from the same weights and data: {ends}."
    return Plan(caption, 6.4, 2.9, partial(_draw_losses, trained))


def _draw_losses(rows: Sequence[FitRow], area: Area) -> None:
    from matplotlib.ticker import MaxNLocator

    from layerlens.render.pictures.canvas import COLOURS

    axes = area.axes(0.75, 0.5, area.width - 0.9, area.height - 0.9)
    for n, row in enumerate(rows):
        style = dict(_STYLES[n % len(_STYLES)])
        style["color"] = COLOURS[style["color"]]
        epochs = range(1, len(row.losses) + 1)
        axes.plot(epochs, row.losses, label=_short(row.model), clip_on=False, **style)
    losses = [loss for row in rows for loss in row.losses if math.isfinite(loss)]
    if min(losses) > 0 and max(losses) > _WIDE * min(losses):
        axes.set_yscale("log")
    last = max(len(row.losses) for row in rows)
    axes.set_xlim(0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", color=COLOURS["soft"])
    axes.set_ylabel("loss", color=COLOURS["soft"])
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=7,
        labelcolor=COLOURS["ink"],
        borderaxespad=0.2,
    )
