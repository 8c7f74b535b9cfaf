"""Plan the loss curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from layerlens.render.pictures.scales import WIDE, short_name
from layerlens.render.pictures.unrolled import Plan
from layerlens.render.wording import figure, one_line, plural
from layerlens.report.training import FitRow

if TYPE_CHECKING:
    from layerlens.render.pictures.canvas import Area

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
        axes.plot(epochs, row.losses, label=short_name(row.model), clip_on=False, **style)
    losses = [loss for row in rows for loss in row.losses if math.isfinite(loss)]
    if min(losses) > 0 and max(losses) > WIDE * min(losses):
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
