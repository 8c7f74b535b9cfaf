"""Plan the loss curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layerlens.render.pictures.plan import Plan
from layerlens.render.wording import figure, one_line, plural
from layerlens.report.training import FitRow


@dataclass(frozen=True, slots=True)
class Losses:
    """The losses of every model that was trained."""

    rows: tuple[FitRow, ...]


def losses_plan(rows: Sequence[FitRow]) -> Plan[Losses] | None:
    """Return the plan of the loss curves; None if no model was trained."""
    trained = [row for row in rows if any(map(math.isfinite, row.losses))]
    if not trained:
        return None
    ends = "; ".join(
        f"{one_line(row.model)} {figure(row.losses[0])} to {figure(row.losses[-1])}"
        for row in trained
    )
    epochs = plural(max(len(row.losses) for row in trained), "epoch")
    caption = f"Loss over {epochs}, from the same weights and data: {ends}."
    return Plan(caption, 6.4, 2.9, Losses(tuple(trained)))
