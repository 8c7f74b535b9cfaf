"""Plan the picture of a model unrolled over its steps.

Time runs to the right and data upwards. A circle is one step of a layer's output, a line a measured
dependence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerlens.render.pictures.plan import Plan
from layerlens.render.pictures.scales import short_name
from layerlens.render.wording import MIXES, count, mixes_note, one_line, shapes_text
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.report.maps import WHOLE, StepMapRow, outer_steps

#: Models of more layers are drawn as a whole, not layer by layer.
MOST_LAYERS = 40
#: Models with more parallel branches are drawn as a whole.
MOST_LANES = 3
LABELS, STEPS, PITCH = 2.25, 3.1, 0.7
_HEAD, FOOT = 0.0, 0.32
_NAME_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Node:
    """An input, a layer or the whole model at one place; `steps` is None for a vector."""

    title: str
    lines: tuple[str, ...]
    steps: int | None
    level: int
    lane: int


@dataclass(frozen=True, slots=True)
class Link:
    """The dependence of node `target` on node `source`; `map` is None if not measured."""

    source: int
    target: int
    map: StepMapRow | None


@dataclass(frozen=True, slots=True)
class Unrolled:
    """The nodes and links of a model unrolled over its steps."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    @property
    def levels(self) -> int:
        return max(node.level for node in self.nodes) + 1

    @property
    def is_shortened(self) -> bool:
        return any((node.steps or 0) > WHOLE for node in self.nodes)

    def drawn_steps(self, node: Node) -> tuple[int, ...]:
        """Return the drawn steps of a node; if one sequence is shortened, all long ones are."""
        if node.steps is None:
            return (0,)
        return outer_steps(node.steps) if self.is_shortened else tuple(range(node.steps))

    @property
    def lanes(self) -> int:
        return max(node.lane for node in self.nodes) + 1


def unrolled_plan(model: ModelReport) -> Plan[Unrolled] | None:
    """Return the plan of a model's picture; None without a measured step map."""
    if not model.steps and not any(layer.steps for layer in model.layers):
        return None
    unrolled = _by_layers(model)
    note = ""
    if unrolled is None:
        unrolled = _as_a_whole(model)
        note = f" Its layers ({count(len(model.layers))}) are not drawn separately."
        if not model.steps:
            return None
    width = unrolled.lanes * (LABELS + STEPS)
    height = unrolled.levels * PITCH + _HEAD + FOOT
    caption = _caption(model, unrolled) + note
    return Plan(caption, width, height, unrolled)


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
    """Return the sentence that says which sequences are shortened, if any."""
    drawn = {node.steps: unrolled.drawn_steps(node) for node in unrolled.nodes if node.steps}
    long = sorted(n for n, steps in drawn.items() if n is not None and len(steps) < n)
    if not long:
        return []
    steps = drawn[long[-1]]
    first = gap_at(steps)
    return [
        f"Shortened: the first {first} and last {len(steps) - first} of "
        f"{', '.join(count(n) for n in long)} steps; a dash under a circle means that it "
        f"depends on steps that are not drawn."
    ]


def gap_at(steps: Sequence[int]) -> int:
    """Return the index of the first drawn step after the gap."""
    return next(n for n, step in enumerate(steps) if n != step)


def _open_length(model: ModelReport) -> list[str]:
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) < 2 or shape[1] is not None or not model.steps:
        return []
    return [f"The length is open; it was measured at {count(model.steps[0].inputs)} steps."]


# --- the graph ------------------------------------------------------------------------------------


def _by_layers(model: ModelReport) -> Unrolled | None:
    """Return every layer at its place; None if that cannot be drawn.

    The model may be too deep or have too many branches, or its layers may be measured at lengths
    that do not fit together.
    """
    if len(model.layers) > MOST_LAYERS or not any(layer.steps for layer in model.layers):
        return None
    nodes: list[Node] = []
    links: list[Link] = []
    inputs: dict[str, int] = {}
    places: dict[int, int] = {}
    lane_ends: dict[int, int] = {}
    for row in _input_maps(model):
        inputs[row.source] = len(nodes)
        nodes.append(_input(model, row, len(inputs) - 1))
        lane_ends[len(inputs) - 1] = inputs[row.source]
    for place, layer in enumerate(model.layers):
        maps = [row for row in layer.steps if row.output == layer.steps[0].output]
        sources = [
            (inputs[row.source] if row.source_layer is None else places[row.source_layer], row)
            for row in maps
            if (row.source in inputs if row.source_layer is None else row.source_layer in places)
        ]
        if any(nodes[source].steps != row.inputs for source, row in sources):
            return None  # measured at another length than its source
        incoming: list[tuple[int, StepMapRow | None]] = list(sources)
        if not incoming and nodes:
            incoming = [(_source_node(layer, model, place, inputs, places), None)]
        level = 1 + max((nodes[source].level for source, _ in incoming), default=-1)
        lane = _lane([source for source, _ in incoming], nodes, lane_ends)
        places[place] = lane_ends[lane] = len(nodes)
        links += [Link(source, len(nodes), row) for source, row in incoming]
        nodes.append(_layer(layer, maps[0].outputs if maps else None, level, lane))
    unrolled = Unrolled(tuple(nodes), tuple(links))
    return unrolled if unrolled.lanes <= MOST_LANES else None


def _source_node(
    layer: LayerRow, model: ModelReport, place: int, inputs: dict[str, int], places: dict[int, int]
) -> int:
    """Return the source node of a layer without a measured map."""
    names = {model.layers[n].name: node for n, node in places.items()}
    for name in layer.inputs:
        if name in names or name in inputs:
            return names[name] if name in names else inputs[name]
    return places.get(place - 1, 0)


def _lane(sources: Sequence[int], nodes: Sequence[Node], lane_ends: dict[int, int]) -> int:
    """Return the lane of the first source that is the end of its lane, or a new lane."""
    for source in sources:
        lane = nodes[source].lane
        if lane_ends.get(lane) == source:
            return lane
    if len(sources) > 1:  # a merge is drawn above the lanes that it joins
        return min(nodes[source].lane for source in sources)
    return max(lane_ends, default=-1) + 1


def _input_maps(model: ModelReport) -> list[StepMapRow]:
    """Return one measured map for each input of the model."""
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
    whole = Node(short_name(model.name, _NAME_LENGTH), lines, maps[0].outputs, 1, 0)
    return Unrolled((*nodes, whole), tuple(links))


def _input(model: ModelReport, row: StepMapRow, lane: int) -> Node:
    single = isinstance(model.input_shape, tuple) and None in model.input_shape[:1]
    lines = (shapes_text(model.input_shape),) if single else ()
    return Node(short_name(row.source, _NAME_LENGTH), lines, row.inputs, 0, lane)


def _layer(layer: LayerRow, steps: int | None, level: int, lane: int) -> Node:
    lines = [
        short_name(f"{one_line(layer.type)} {shapes_text(layer.output_shape)}", _NAME_LENGTH),
        "shared, counted once" if layer.shared_with else f"{count(layer.params)} params",
    ]
    if layer.mixes is not None:
        words = mixes_note(layer) if layer.window else MIXES[layer.mixes]
        lines.append(short_name(words.split(", ", 1)[-1], _NAME_LENGTH))
    return Node(short_name(layer.name, _NAME_LENGTH), tuple(lines), steps, level, lane)
