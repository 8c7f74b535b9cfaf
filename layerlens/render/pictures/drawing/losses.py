"""Draw the loss curves."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.ticker import MaxNLocator

from layerlens.render.pictures.drawing.area import COLOURS, Area, legend_above
from layerlens.render.pictures.losses import Losses
from layerlens.render.pictures.scales import WIDE, short_name

_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "accent", "linestyle": "-", "marker": "o", "linewidth": 2.4, "markersize": 5},
    {"color": "bad", "linestyle": "--", "marker": "s", "linewidth": 1.2, "markersize": 3.5},
    {"color": "warn", "linestyle": ":", "marker": "^", "linewidth": 1.4, "markersize": 4},
    {"color": "soft", "linestyle": "-.", "marker": "D", "linewidth": 1.2, "markersize": 3.5},
)


def draw_losses(losses: Losses, area: Area) -> None:
    """Draw one curve per model."""
    rows = losses.rows

    axes = area.axes(0.75, 0.5, area.width - 0.9, area.height - 0.9)
    for n, row in enumerate(rows):
        style = dict(_STYLES[n % len(_STYLES)])
        style["color"] = COLOURS[style["color"]]
        epochs = range(1, len(row.losses) + 1)
        axes.plot(epochs, row.losses, label=short_name(row.model), clip_on=False, **style)
    finite = [loss for row in rows for loss in row.losses if math.isfinite(loss)]
    if min(finite) > 0 and max(finite) > WIDE * min(finite):
        axes.set_yscale("log")
    last = max(len(row.losses) for row in rows)
    axes.set_xlim(0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", color=COLOURS["soft"])
    axes.set_ylabel("loss", color=COLOURS["soft"])
    legend_above(axes, borderaxespad=0.2)
