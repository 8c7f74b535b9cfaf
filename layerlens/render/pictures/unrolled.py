"""Plan the picture of a model unrolled over its steps.

Time runs to the right and data upwards: a circle for every step of what a layer gives, a line
where a dependence was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from layerlens.render.wording import MIXES, count, mixes_note, one_line, shapes_text
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.report.maps import WHOLE, StepMapRow, outer_steps

if TYPE_CHECKING:
    from layerlens.render.pictures.canvas import Area

#: Deeper models are not drawn layer by layer, only as a whole.
MOST_LAYERS = 40
#: Branches side by side; a model with more is drawn as a whole.
MOST_LANES = 3
_LABELS, _STEPS, _PITCH = 2.25, 3.1, 0.7
_RADIUS = 0.075
_HEAD, _FOOT = 0.0, 0.32
_LINE = 0.15
_NAME_LENGTH = 32


class Plan(NamedTuple):
    caption: str
    width: float
    height: float
    draw: partial[None]


@dataclass(frozen=True, slots=True)
class Node:
    """What stands at one place: an input, a layer or the whole model; `steps` None is a vector."""

    title: str
    lines: tuple[str, ...]
    steps: int | None
    level: int
    lane: int


@dataclass(frozen=True, slots=True)
class Link:
    """What node `target` sees of node `source`; without a map it was not measured."""

    source: int
    target: int
    map: StepMapRow | None


@dataclass(frozen=True, slots=True)
class Unrolled:
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    @property
    def levels(self) -> int:
        return max(node.level for node in self.nodes) + 1

    @property
    def is_shortened(self) -> bool:
        return any((node.steps or 0) > WHOLE for node in self.nodes)

    def drawn_steps(self, node: Node) -> tuple[int, ...]:
        """Return the steps that a node shows; where one sequence is shortened, all long are."""
        if node.steps is None:
            return (0,)
        return outer_steps(node.steps) if self.is_shortened else tuple(range(node.steps))

    @property
    def lanes(self) -> int:
        return max(node.lane for node in self.nodes) + 1


def unrolled_plan(model: ModelReport) -> Plan | None:
    """Return the plan of a model's picture; None where no map of steps was measured."""
    if not model.steps and not any(layer.steps for layer in model.layers):
        return None
    unrolled = _by_layers(model)
    note = ""
    if unrolled is None:
        unrolled = _as_a_whole(model)
        note = f" Its layers ({count(len(model.layers))}) are not drawn one by one."
        if not model.steps:
            return None
    width = unrolled.lanes * (_LABELS + _STEPS)
    height = unrolled.levels * _PITCH + _HEAD + _FOOT
    caption = _caption(model, unrolled) + note
    return Plan(caption, width, height, partial(_draw, unrolled))


def _caption(model: ModelReport, unrolled: Unrolled) -> str:
    kinds = [
        f"{one_line(layer.name)} {mixes_note(layer).removeprefix('mixes: ')}"
        for layer in model.layers
        if layer.mixes is not None
    ]
    whole = mixes_note(model).removeprefix("mixes: ")
    parts = [f"The whole model: {whole}."]
    if kinds:
        parts.append(f"Layer by layer: {'; '.join(kinds)}.")
    return " ".join([*parts, *_shortened(unrolled), *_open_length(model)])


def _shortened(unrolled: Unrolled) -> list[str]:
    """Say which sequences are drawn shortened."""
    drawn = {node.steps: unrolled.drawn_steps(node) for node in unrolled.nodes if node.steps}
    long = sorted(n for n, steps in drawn.items() if n is not None and len(steps) < n)
    if not long:
        return []
    steps = drawn[long[-1]]
    first = _gap_at(steps)
    return [
        f"Drawn shortened: the first {first} and last {len(steps) - first} of "
        f"{', '.join(count(n) for n in long)} steps; a dash beneath a circle stands for steps that "
        "it depends on and that are not drawn."
    ]


def _gap_at(steps: Sequence[int]) -> int:
    """Return before which of the drawn steps others are left out."""
    return next(n for n, step in enumerate(steps) if n != step)


def _open_length(model: ModelReport) -> list[str]:
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) < 2 or shape[1] is not None or not model.steps:
        return []
    return [f"The length is open; it was measured at {count(model.steps[0].inputs)} steps."]


# --- the graph ------------------------------------------------------------------------------------


def _by_layers(model: ModelReport) -> Unrolled | None:
    """Return every layer at its place; None where that cannot be drawn.

    That is where the model is too deep or has too many branches, or where layers were measured at
    lengths that do not go together.
    """
    if len(model.layers) > MOST_LAYERS or not any(layer.steps for layer in model.layers):
        return None
    nodes: list[Node] = []
    links: list[Link] = []
    inputs: dict[str, int] = {}
    places: dict[int, int] = {}
    tips: dict[int, int] = {}
    for row in _input_maps(model):
        inputs[row.source] = len(nodes)
        nodes.append(_input(model, row, len(inputs) - 1))
        tips[len(inputs) - 1] = inputs[row.source]
    for place, layer in enumerate(model.layers):
        maps = [row for row in layer.steps if row.output == layer.steps[0].output]
        sources = [
            (inputs[row.source] if row.source_layer is None else places[row.source_layer], row)
            for row in maps
            if (row.source in inputs if row.source_layer is None else row.source_layer in places)
        ]
        if any(nodes[source].steps != row.inputs for source, row in sources):
            return None  # measured at another length than what leads to it
        known: list[tuple[int, StepMapRow | None]] = list(sources)
        if not known and nodes:
            known = [(_led_by(layer, model, place, inputs, places), None)]
        level = 1 + max((nodes[source].level for source, _ in known), default=-1)
        lane = _lane([source for source, _ in known], nodes, tips)
        places[place] = tips[lane] = len(nodes)
        links += [Link(source, len(nodes), row) for source, row in known]
        nodes.append(_layer(layer, maps[0].outputs if maps else None, level, lane))
    unrolled = Unrolled(tuple(nodes), tuple(links))
    return unrolled if unrolled.lanes <= MOST_LANES else None


def _led_by(
    layer: LayerRow, model: ModelReport, place: int, inputs: dict[str, int], places: dict[int, int]
) -> int:
    """Return the node that leads to a layer of which no map was measured."""
    names = {model.layers[n].name: node for n, node in places.items()}
    for name in layer.inputs:
        if name in names or name in inputs:
            return names[name] if name in names else inputs[name]
    return places.get(place - 1, 0)


def _lane(sources: Sequence[int], nodes: Sequence[Node], tips: dict[int, int]) -> int:
    """Go on where the first source that is still the last of its lane stands, or open a lane."""
    for source in sources:
        lane = nodes[source].lane
        if tips.get(lane) == source:
            return lane
    if len(sources) > 1:  # a merge stands on top of the lanes it joins
        return min(nodes[source].lane for source in sources)
    return max(tips, default=-1) + 1


def _input_maps(model: ModelReport) -> list[StepMapRow]:
    """Return one map for each input of the model that a layer or the model was seen to take."""
    rows = [*model.steps, *(row for layer in model.layers for row in layer.steps)]
    return list({row.source: row for row in reversed(rows) if row.source_layer is None}.values())


def _as_a_whole(model: ModelReport) -> Unrolled:
    maps = [row for row in model.steps if row.output == model.steps[0].output]
    nodes = [_input(model, row, lane) for lane, row in enumerate(maps[:MOST_LANES])]
    links = [Link(n, len(nodes), row) for n, row in enumerate(maps[:MOST_LANES])]
    lines = (
        shapes_text(model.output_shape),
        f"{count(model.params)} params",
        mixes_note(model).removeprefix("mixes: "),
    )
    whole = Node(_short(model.name), lines, maps[0].outputs, 1, 0)
    return Unrolled((*nodes, whole), tuple(links))


def _input(model: ModelReport, row: StepMapRow, lane: int) -> Node:
    single = isinstance(model.input_shape, tuple) and None in model.input_shape[:1]
    lines = (shapes_text(model.input_shape),) if single else ()
    return Node(_short(row.source), lines, row.inputs, 0, lane)


def _layer(layer: LayerRow, steps: int | None, level: int, lane: int) -> Node:
    lines = [
        _short(f"{one_line(layer.type)} {shapes_text(layer.output_shape)}"),
        "shared, counted once" if layer.shared_with else f"{count(layer.params)} params",
    ]
    if layer.mixes is not None:
        words = mixes_note(layer) if layer.window else MIXES[layer.mixes]
        lines.append(_short(words.split(", ", 1)[-1]))
    return Node(_short(layer.name), tuple(lines), steps, level, lane)


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _NAME_LENGTH else f"{line[: _NAME_LENGTH - 1]}…"


# --- drawing --------------------------------------------------------------------------------------


def _draw(unrolled: Unrolled, area: Area) -> None:
    for link in unrolled.links:
        _draw_link(area, unrolled, link)
    for node in unrolled.nodes:
        _draw_node(area, unrolled, node)
    _draw_steps(area, unrolled)


def _height(node: Node) -> float:
    return _FOOT + _PITCH * (node.level + 0.45)


def _slots(unrolled: Unrolled, node: Node) -> dict[int, float]:
    """Return the place of every drawn step; a gap stands for those that are left out."""
    left = node.lane * (_LABELS + _STEPS) + _LABELS
    kept = unrolled.drawn_steps(node)
    gap = len(kept) < (node.steps or 1)
    wide = len(kept) + gap
    places = [n + (gap and step != n) for n, step in enumerate(kept)]
    return {
        step: left + (place + 0.5) / wide * _STEPS for step, place in zip(kept, places, strict=True)
    }


def _draw_node(area: Area, unrolled: Unrolled, node: Node) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import FancyBboxPatch

    from layerlens.render.pictures.canvas import COLOURS

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
            gap = _gap_at(list(slots))
            middle = (places[gap - 1] + places[gap]) / 2
            area.text(middle, height, "…", ha="center", va="center", size=10, color=COLOURS["soft"])
    left = node.lane * (_LABELS + _STEPS)
    top = height + _LINE * len(node.lines) / 2
    style: dict[str, Any] = {"va": "center", "zorder": 4}
    if node.lane:  # lines to a branch run behind its words
        style["bbox"] = {"facecolor": COLOURS["paper"], "edgecolor": "none", "pad": 1}
    area.text(left, top, node.title, size=9, weight="bold", color=COLOURS["ink"], **style)
    for n, line in enumerate(node.lines, start=1):
        area.text(left, top - _LINE * n, line, size=8, color=COLOURS["soft"], **style)


def _draw_link(area: Area, unrolled: Unrolled, link: Link) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    from layerlens.render.pictures.canvas import COLOURS

    source, target = unrolled.nodes[link.source], unrolled.nodes[link.target]
    below, above = _height(source), _height(target)
    start, end = _slots(unrolled, source), _slots(unrolled, target)
    if link.map is None:
        middles = [sum(slots.values()) / len(slots) for slots in (start, end)]
        style: dict[str, Any] = {"linestyle": ":", "color": COLOURS["soft"], "linewidth": 0.8}
        area.add(Line2D(middles, [below, above], **style))
        return
    # A line that passes a layer by gives way to its circles.
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
    from layerlens.render.pictures.canvas import COLOURS

    centred: dict[str, Any] = {"ha": "center", "va": "center", "color": COLOURS["soft"], "size": 7}
    for node in unrolled.nodes:
        if node.level or node.steps is None:
            continue
        slots = _slots(unrolled, node)
        for step, x in slots.items():
            area.text(x, 0.34, str(step), **centred)
        middle = node.lane * (_LABELS + _STEPS) + _LABELS + _STEPS / 2
        long = len(slots) < node.steps
        words = f"step, shortened from {count(node.steps)}" if long else "step"
        area.text(middle, 0.14, words, **centred)
