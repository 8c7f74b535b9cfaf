"""Plan the heat map of a pair, which shows where in the output the two differ."""

from __future__ import annotations

from layerlens.render.pictures.plan import Plan
from layerlens.render.pictures.scales import badness
from layerlens.render.wording import count, figure
from layerlens.report.maps import HeatMap
from layerlens.report.pairs import PairReport

#: The least height of the colour bar, in inches.
BAR = 0.9


def heat_plan(pair: PairReport) -> Plan[HeatMap] | None:
    """Return the plan of the heat map; None if nothing differs or nothing was compared."""
    heat = pair.differences
    if heat is None:
        return None
    width, height = extent(heat)
    tall = max(height, BAR) + 0.65
    return Plan(_heat_caption(heat, pair), width + 2.0, tall, heat)


def is_over_time(heat: HeatMap) -> bool:
    """Return whether the rows are time steps; these are drawn from left to right."""
    return heat.rows == "step"


def extent(heat: HeatMap) -> tuple[float, float]:
    """Return the width and height of the map, in inches."""
    down, across = len(heat.cells), len(heat.cells[0])
    if is_over_time(heat):
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
            f"Each cell covers up to {heat.block[0]} × {heat.block[1]} values of "
            f"{count(heat.shape[0])} × {count(heat.shape[1])}."
        )
    return " ".join(part for part in parts if part)


def _range(axis: str, place: int, block: int, total: int) -> str:
    first = place * block
    last = min(first + block, total) - 1
    if axis.startswith("axis"):
        axis = f"{axis}, index"
    return f"{axis} {first}" if first == last else f"{axis} {first}–{last}"
