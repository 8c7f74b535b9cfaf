"""Draw a model unrolled over its steps."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path

from layerlens.render.pictures.drawing.area import COLOURS, Area
from layerlens.render.pictures.unrolled import (
    FOOT,
    LABELS,
    PITCH,
    STEPS,
    Link,
    Node,
    Unrolled,
    gap_at,
)
from layerlens.render.wording import count

#: The radius of a circle and the height of a line of text, in inches.
_RADIUS = 0.075
_LINE = 0.15


def draw_unrolled(unrolled: Unrolled, area: Area) -> None:
    """Draw the links, the nodes over them, and the step numbers of the inputs."""
    for link in unrolled.links:
        _draw_link(area, unrolled, link)
    for node in unrolled.nodes:
        _draw_node(area, unrolled, node)
    _draw_steps(area, unrolled)


def _height(node: Node) -> float:
    return FOOT + PITCH * (node.level + 0.45)


def _slots(unrolled: Unrolled, node: Node) -> dict[int, float]:
    """Return step → horizontal position in inches, with a gap for steps left out."""
    left = node.lane * (LABELS + STEPS) + LABELS
    kept = unrolled.drawn_steps(node)
    gap = len(kept) < (node.steps or 1)
    wide = len(kept) + gap
    places = [n + (gap and step != n) for n, step in enumerate(kept)]
    return {
        step: left + (place + 0.5) / wide * STEPS for step, place in zip(kept, places, strict=True)
    }


def _draw_node(area: Area, unrolled: Unrolled, node: Node) -> None:
    height, slots = _height(node), _slots(unrolled, node)
    if node.steps is None:
        (middle,) = slots.values()
        area.add(
            FancyBboxPatch(
                (middle - 0.4, height - 0.035),
                0.8,
                0.07,
                boxstyle="round,pad=0.04",
                facecolor=COLOURS["shade"],
                edgecolor=COLOURS["accent"],
                linewidth=1,
                zorder=3,
            )
        )
    else:
        area.add(
            Line2D(
                list(slots.values()),
                [height] * len(slots),
                linestyle="none",
                marker="o",
                markersize=_RADIUS * 2 * 72,
                markerfacecolor=COLOURS["accent" if node.level else "shade"],
                markeredgecolor=COLOURS["accent"],
                markeredgewidth=1,
                zorder=3,
            )
        )
        if len(slots) < node.steps:
            places = list(slots.values())
            gap = gap_at(list(slots))
            middle = (places[gap - 1] + places[gap]) / 2
            area.text(middle, height, "…", ha="center", va="center", size=10, color=COLOURS["soft"])
    left = node.lane * (LABELS + STEPS)
    top = height + _LINE * len(node.lines) / 2
    style: dict[str, Any] = {"va": "center", "zorder": 4}
    if node.lane:  # lines to a branch are drawn behind its text
        style["bbox"] = {"facecolor": COLOURS["paper"], "edgecolor": "none", "pad": 1}
    area.text(left, top, node.title, size=9, weight="bold", color=COLOURS["ink"], **style)
    for n, line in enumerate(node.lines, start=1):
        area.text(left, top - _LINE * n, line, size=8, color=COLOURS["soft"], **style)


def _draw_link(area: Area, unrolled: Unrolled, link: Link) -> None:
    source, target = unrolled.nodes[link.source], unrolled.nodes[link.target]
    below, above = _height(source), _height(target)
    start, end = _slots(unrolled, source), _slots(unrolled, target)
    if link.map is None:
        middles = [sum(slots.values()) / len(slots) for slots in (start, end)]
        style: dict[str, Any] = {"linestyle": ":", "color": COLOURS["soft"], "linewidth": 0.8}
        area.add(Line2D(middles, [below, above], **style))
        return
    # A line that skips a level is bent to avoid the circles there.
    bow = 0.16 if target.level > source.level + 1 and source.lane == target.lane else 0.0
    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    dashes: list[float] = []
    for output, seen, beyond in zip(
        link.map.output_steps, link.map.seen, link.map.beyond, strict=True
    ):
        if output not in end:
            continue
        x = end[output]
        steps = [n for n, mark in zip(link.map.input_steps, seen, strict=True) if mark == "1"]
        for step in steps:
            if step in start:
                middle = (start[step] + x) / 2 + bow
                points += [(start[step], below), (middle, (below + above) / 2), (x, above)]
                codes += [Path.MOVETO, Path.CURVE3, Path.CURVE3]
        if beyond or any(step not in start for step in steps):
            dashes.append(x)
    if points:
        lines: dict[str, Any] = {
            "facecolor": "none",
            "edgecolor": COLOURS["accent-soft"],
            "linewidth": 0.7,
        }
        area.add(PathPatch(Path(points, codes), zorder=1, **lines))
    if dashes:
        mark = [above - _RADIUS - 0.05] * len(dashes)
        dash: dict[str, Any] = {
            "linestyle": "none",
            "marker": "_",
            "markersize": 5,
            "color": COLOURS["warn"],
        }
        area.add(Line2D(dashes, mark, zorder=2, **dash))


def _draw_steps(area: Area, unrolled: Unrolled) -> None:
    centred: dict[str, Any] = {"ha": "center", "va": "center", "color": COLOURS["soft"], "size": 7}
    for node in unrolled.nodes:
        if node.level or node.steps is None:
            continue
        slots = _slots(unrolled, node)
        for step, x in slots.items():
            area.text(x, 0.34, str(step), **centred)
        middle = node.lane * (LABELS + STEPS) + LABELS + STEPS / 2
        long = len(slots) < node.steps
        words = f"step, shortened from {count(node.steps)}" if long else "step"
        area.text(middle, 0.14, words, **centred)
