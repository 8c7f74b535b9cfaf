"""Render step maps as small grids for a terminal: a dot marks a dependence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from layerlens.render.styled import GLYPHS, fill, fold, joined
from layerlens.render.wording import count, mixes_note, one_line

if TYPE_CHECKING:
    from layerlens.report.layers import LayerRow, ModelReport
    from layerlens.report.maps import StepMapRow

_BETWEEN = 4
_READABLE = 28
_INDENT = 2


class Grid(NamedTuple):
    """A heading and the lines beneath it."""

    heading: str
    lines: tuple[Text, ...]

    @property
    def width(self) -> int:
        """The width in cells; the heading is folded to that of the lines, or a readable width."""
        return max(min(len(self.heading), _READABLE), *(line.cell_len for line in self.lines))


def step_grids(models: Sequence[ModelReport], width: int) -> Iterator[Text]:
    """Yield the grids of whole models next to each other; nothing without a measured map.

    Models with the same map share one grid.
    """
    groups: dict[tuple[object, ...], list[ModelReport]] = {}
    for model in models:
        if model.steps:
            key = (model.mixes, model.window, *map(_map_key, model.steps))
            groups.setdefault(key, []).append(model)
    if not groups:
        return
    heading = "Which output step (down) depends on which input step (across)"
    yield from fold(Text(heading, "bold"), width)
    grids = [
        _grid(", ".join(one_line(model.name) for model in group), group[0], row)
        for group in groups.values()
        for row in group[0].steps
    ]
    yield from _side_by_side(grids, width)
    yield from _shortened_note([row for group in groups.values() for row in group[0].steps], width)


def layer_grids(models: Sequence[ModelReport], width: int) -> Iterator[Text]:
    """Yield the grids of the models' layers; layers with the same map share one grid."""
    groups: dict[tuple[object, ...], list[tuple[ModelReport, LayerRow, StepMapRow]]] = {}
    for model in models:
        for layer in model.layers:
            for row in layer.steps:
                key = (layer.mixes, layer.window, _map_key(row))
                groups.setdefault(key, []).append((model, layer, row))
    if not groups:
        return
    yield Text("Layer by layer", "bold")
    several = len(models) > 1
    grids = [
        _grid(_layer_names([(model, layer) for model, layer, _ in group], several), *group[0][1:])
        for group in groups.values()
    ]
    yield from _side_by_side(grids, width)
    yield from _shortened_note([group[0][2] for group in groups.values()], width)


def _layer_names(layers: Sequence[tuple[ModelReport, LayerRow]], several: bool) -> str:
    """Return `gru (td, dense)`: the names of the layers, with those of their models."""
    models: dict[str, list[str]] = {}
    for model, layer in layers:
        found = models.setdefault(one_line(layer.name), [])
        if (name := one_line(model.name)) not in found:
            found.append(name)
    return ", ".join(
        f"{layer} ({', '.join(names)})" if several else layer for layer, names in models.items()
    )


def _map_key(row: StepMapRow) -> tuple[object, ...]:
    return row.inputs, row.outputs, row.input_steps, row.output_steps, row.seen


def _grid(name: str, part: LayerRow | ModelReport, row: StepMapRow) -> Grid:
    kind = mixes_note(part).removeprefix("mixes: ")
    label = max(len(str(step)) for step in row.output_steps) if row.outputs else len("vector")
    cell = max(len(str(step)) for step in row.input_steps) + 1 if row.inputs else len("vector") + 1
    columns = _with_gap(row.input_steps)
    header = Text(" " * label, "dim")
    for step in columns:
        named = "…" if step is None else str(step) if row.inputs else "vector"
        header.append(named.rjust(cell))
    lines = [header]
    marks = dict(zip(row.output_steps, row.seen, strict=True))
    for output in _with_gap(row.output_steps):
        if output is None:
            lines.append(Text("…".rjust(label), "dim"))
            continue
        line = Text((str(output) if row.outputs else "vector").rjust(label), "dim")
        seen = dict(zip(row.input_steps, marks[output], strict=True))
        for step in columns:
            if step is None:
                line.append(" " * cell)
            else:
                is_seen = seen[step] == "1"
                glyph = GLYPHS.seen if is_seen else GLYPHS.unseen
                line = joined(line, Text(glyph.rjust(cell), "bold cyan" if is_seen else "dim"))
        lines.append(line)
    return Grid(f"{name}: {kind}", tuple(lines))


def _with_gap(steps: Sequence[int]) -> list[int | None]:
    """Return the steps, with None in place of steps left out between them."""
    found: list[int | None] = []
    for step in steps:
        if found and found[-1] is not None and step != found[-1] + 1:
            found.append(None)
        found.append(step)
    return found


def _side_by_side(grids: Sequence[Grid], width: int) -> Iterator[Text]:
    row: list[Grid] = []
    for grid in grids:
        taken = sum(one.width + _BETWEEN for one in row)
        if row and _INDENT + taken + grid.width > width:
            yield from _joined_grids(row, width)
            row = []
        row.append(grid)
    if row:
        yield from _joined_grids(row, width)


def _joined_grids(grids: Sequence[Grid], width: int) -> Iterator[Text]:
    blocks = [_block(grid, width if len(grids) == 1 else grid.width + _INDENT) for grid in grids]
    for n in range(max(len(block) for block in blocks)):
        line = Text(" " * _INDENT)
        for grid, block in zip(grids, blocks, strict=True):
            part = block[n] if n < len(block) else Text()
            line = joined(line, fill(part, grid.width + _BETWEEN))
        line.rstrip()
        yield line
    yield Text()


def _block(grid: Grid, width: int) -> list[Text]:
    """Return the lines of a grid with its heading, folded to `width`."""
    return [*fold(Text(grid.heading), max(width - _INDENT, 16), hang=2), *grid.lines]


def _shortened_note(rows: Iterable[StepMapRow], width: int) -> Iterator[Text]:
    lengths = sorted(
        {
            length
            for row in rows
            for length, kept in ((row.inputs, row.input_steps), (row.outputs, row.output_steps))
            if length is not None and len(kept) < length
        }
    )
    if lengths:
        several = ", ".join(count(length) for length in lengths)
        text = f"Shortened: of {several} steps, those in the middle are left out."
        yield from fold(Text(text, "dim"), width, indent=_INDENT)
