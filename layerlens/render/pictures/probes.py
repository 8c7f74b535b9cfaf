"""Plan the picture of a pair's probes: differences against rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from layerlens.render.pictures.scales import badness, decades, mark, short_name
from layerlens.render.pictures.unrolled import Plan
from layerlens.render.wording import count, plural
from layerlens.report.pairs import PairReport, ProbeRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from layerlens.render.pictures.canvas import Area

#: Of more probes, those with the greatest differences are drawn.
MOST_PROBES = 30
_ROW = 0.17


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
        if row.name not in worst or badness(row.max_abs) > badness(worst[row.name].max_abs or 0):
            worst[row.name] = row
    return sorted(worst.values(), key=lambda row: -badness(row.max_abs or 0))


def _probes_caption(rows: Sequence[ProbeRow]) -> str:
    above = sum(badness(row.max_abs or 0) > (row.noise or 0) for row in rows)
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
    # Words and truth values are not rounded: they are equal or infinitely far apart.
    positive = [n for n in figures if n is not None and 0 < n < math.inf] or [1.0]
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
            2.2, height, short_name(row.name), ha="right", va="center", size=7, color=COLOURS["ink"]
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
