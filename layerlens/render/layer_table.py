"""Render the layer tables of several models side by side, as styled lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from layerlens.render import wording
from layerlens.render.aligned_rows import Row, rows_of
from layerlens.render.styled import GLYPHS, fill, fold, joined, keep_together, rule

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport
    from layerlens.vocabulary import Aspect

SEPARATOR = f" {GLYPHS.vertical} "
#: The width of a mark in front of a field.
MARK = 2
#: The least width of a block next to another one.
NARROWEST = 26
#: Longer words in a layer's name are broken to keep all its fields on one line.
LONGEST_WORD = 24
#: The greatest width of a block in the compact layout.
WIDEST_COMPACT = 60
DETAIL_INDENT = 4
LAYER = "layer (type)"
#: The width of the column of masks: `yes→yes` after a mark.
MASK_WIDTH = 9


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of one model's block: all fields on one line, or the name above the others."""

    width: int
    shape: int
    params: int
    one_line: bool
    #: The width of the column of masks; 0 if no model has any.
    mask: int = 0

    @property
    def name(self) -> int:
        """The width of a layer's name."""
        if not self.one_line:
            return self.width - MARK
        return self.width - 3 * MARK - self.shape - self.mask - self.params - 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One model's cell of a row."""

    layer: LayerRow | None = None
    marks: frozenset[Aspect] = frozenset()
    #: What the layer is applied to, if that is not simply the layer above.
    wiring: str | None = None
    #: Differences from the reference that have no column.
    notes: tuple[str, ...] = ()
    #: The sign before or instead of a layer: "+", "−" or "✘".
    sign: str = ""
    words: str = ""
    #: Whether the models differ in this row; then it is shown in full.
    differs: bool = False


def layer_table(
    models: Sequence[ModelReport],
    diffs: Sequence[ModelsDiff],
    width: int,
    *,
    reference: str | None,
    every_weight: bool,
) -> list[Text]:
    """Return the lines of the tables: side by side if that fits, else one below the other.

    `reference` is the name of the model marked as the reference, if any.
    """
    columns = _columns(models, diffs)
    layout = _side_by_side(models, width)
    if layout is not None:
        return _tables(models, columns, layout, models[0], reference, every_weight)
    layout = _layout(models, width)
    lines: list[Text] = []
    for model, column in zip(models, columns, strict=True):
        lines += [Text()] if lines else []
        lines += _tables([model], [column], layout, models[0], reference, every_weight)
    return lines


def legend(models: Sequence[ModelReport], diffs: Sequence[ModelsDiff]) -> Text | None:
    """Return the meaning of the marks; None if there are none."""
    entries = [entry for column in _columns(models, diffs)[1:] for entry in column]
    first = wording.clean(models[0].name) if models else ""
    meanings = [
        (GLYPHS.differing, f"differs from {first}", any(entry.marks for entry in entries)),
        ("+", "only here", any(entry.sign == "+" for entry in entries)),
        (GLYPHS.minus, "not here", any(entry.sign == GLYPHS.minus for entry in entries)),
    ]
    used = [f"{sign} {meaning}" for sign, meaning, seen in meanings if seen]
    return Text("   ".join(used), style="dim") if used else None


def _columns(models: Sequence[ModelReport], diffs: Sequence[ModelsDiff]) -> list[list[Entry]]:
    """Return one column of entries per model, all of the same length."""
    rows = rows_of(models, diffs)
    columns = [_column(model, rows, position) for position, model in enumerate(models)]
    differs = [
        any(entry.marks or entry.sign for entry in row)
        for row in zip_longest(*columns, fillvalue=Entry())
    ]
    return [
        [replace(entry, differs=differs[step]) for step, entry in enumerate(column)]
        for column in columns
    ]


def _column(model: ModelReport, rows: Sequence[Row], position: int) -> list[Entry]:
    own = [row[position] for row in rows]
    last = max((index for index, cell in enumerate(own) if cell.layer is not None), default=-1)
    column = []
    wiring = wording.wiring_notes(model)
    positions = {id(layer): index for index, layer in enumerate(model.layers)}
    for step, (cell, row) in enumerate(zip(own, rows, strict=True)):
        reference_layer = row[0].layer
        if cell.layer is not None:
            extra = position > 0 and reference_layer is None
            notes = wording.change_notes(cell.change, reference_layer, cell.layer)
            column.append(
                Entry(
                    cell.layer,
                    cell.differs,
                    wiring.get(positions[id(cell.layer)]),
                    tuple(notes),
                    "+" if extra else "",
                )
            )
        elif model.error is None and reference_layer is not None:
            name = wording.one_line(reference_layer.name)
            column.append(Entry(sign=GLYPHS.minus, words=f"nothing in place of {name}"))
        elif model.error is not None and step == last + 1:
            column.append(_refused(model))
        else:
            column.append(Entry())
    if model.error is not None and last == len(rows) - 1:
        column.append(_refused(model))
    return column


def _refused(model: ModelReport) -> Entry:
    error = model.error
    at = f"{wording.one_line(error.layer)} " if error and error.layer else ""
    by = "Keras" if model.runtime is None else wording.one_line(model.runtime.name)
    return Entry(sign=GLYPHS.wrong, words=f"{at}refused by {by}")


def _side_by_side(models: Sequence[ModelReport], width: int) -> Layout | None:
    """Return the layout of every block if all fit next to each other; else None."""
    each = (width - len(SEPARATOR) * (len(models) - 1)) // len(models)
    layout = _layout(models, each)
    fields = layout.shape + layout.mask + MARK + layout.params
    least = max(NARROWEST, MARK + DETAIL_INDENT + fields)
    return layout if len(models) == 1 or each >= least else None


def _layout(models: Sequence[ModelReport], width: int) -> Layout:
    """Return a layout of at most `width` cells that fits the longest field of any model."""
    rows = [entry for model in models for entry in wording.walk_layers(model.layers)]
    shapes = [text for _, row in rows for text in wording.shape_texts(row.output_shape)]
    counts = [wording.count(row.params) for _, row in rows]
    counts += [wording.count(model.params) for model in models]
    mask = MASK_WIDTH if wording.has_masks(models) else 0
    shape = max(map(cell_len, [*shapes, "output shape"]))
    params = max(map(cell_len, [*counts, "params"]))
    names = [_name_words(row, depth) for depth, row in rows]
    # A type that is folded to the line below its name is indented by two cells.
    words = [cell_len(name) for name, _ in names] + [cell_len(kind) + 2 for _, kind in names]
    longest_word = max(words, default=0)
    longest_name = max((cell_len(" ".join(words)) for words in names), default=0)
    fields = 3 * MARK + 2 + shape + mask + params
    least = max(min(longest_word, LONGEST_WORD), len(LAYER))
    if width >= fields + least:
        return Layout(min(width, fields + max(longest_name, least)), shape, params, True, mask)
    return Layout(min(width, WIDEST_COMPACT), shape, params, False, mask)


def _name_words(layer: LayerRow, depth: int) -> tuple[str, str]:
    return f"{'  ' * depth}{wording.one_line(layer.name)}", f"({wording.one_line(layer.type)})"


def _tables(
    models: Sequence[ModelReport],
    columns: Sequence[Sequence[Entry]],
    layout: Layout,
    first: ModelReport,
    reference: str | None,
    every_weight: bool,
) -> list[Text]:
    def side_by_side(block: Callable[[int], list[Text]]) -> list[Text]:
        return _joined_blocks([block(position) for position in range(len(models))], layout.width)

    last = len(models) - 1
    ruled = rule(
        GLYPHS.cross.join(
            GLYPHS.horizontal * (layout.width + (position > 0) + (position < last))
            for position in range(len(models))
        )
    )
    lines = side_by_side(lambda at: _heading(models[at], layout, reference))
    lines.append(ruled)
    for step in range(max(len(column) for column in columns)):
        entries = [column[step] if step < len(column) else Entry() for column in columns]
        lines += side_by_side(lambda at, row=entries: _block(row[at], layout, every_weight))  # type: ignore[misc]
    lines.append(ruled)
    names = wording.figure_names(models)
    lines += side_by_side(lambda at: _totals(models[at], first, names, layout))
    return lines


def _joined_blocks(blocks: Sequence[Sequence[Text]], width: int) -> list[Text]:
    lines = []
    for step in range(max(len(block) for block in blocks)):
        line = Text()
        for position, block in enumerate(blocks):
            if position:
                line.append(SEPARATOR, style="dim")
            line.append_text(fill(block[step] if step < len(block) else Text(), width))
        line.rstrip()
        lines.append(line)
    return lines


def _heading(model: ModelReport, layout: Layout, reference: str | None) -> list[Text]:
    name = Text(wording.one_line(model.name), style="bold")
    if model.name == reference:
        name.append(" (reference)", style="not bold dim")
    lines = fold(name, layout.width, indent=MARK)
    if model.input_shape is not None:
        shapes = Text(f"input {wording.shapes_text(model.input_shape)}", style="dim")
        lines += fold(shapes, layout.width, indent=MARK)
    return lines + _fields(
        Text(LAYER, style="dim"),
        [Text("output shape", style="dim")],
        Text("params", style="dim"),
        layout,
        frozenset(),
        mask=Text("mask", style="dim"),
    )


def _block(entry: Entry, layout: Layout, every_weight: bool) -> list[Text]:
    if entry.layer is not None:
        in_full = every_weight or entry.differs
        return _layer(entry, entry.layer, layout, in_full)
    if not entry.words:
        return []
    style = "red" if entry.sign == GLYPHS.wrong else "yellow"
    return fold(Text(f"{entry.sign} {entry.words}", style=style), layout.width, hang=MARK)


def _layer(
    entry: Entry, layer: LayerRow, layout: Layout, in_full: bool, depth: int = 0
) -> list[Text]:
    """Return the lines of a layer and of its inner layers."""
    differing = entry.marks
    style = "dim" if depth else ""
    name = Text(style=style)
    if depth:
        name.append("  " * (depth - 1) + f"{GLYPHS.corner} ")
    name.append(wording.one_line(layer.name), style="" if depth else "bold")
    name.append(f" ({wording.one_line(layer.type)})", style="yellow" if "type" in differing else "")
    shape_style = "yellow" if "output_shape" in differing else style
    shapes = [Text(text, style=shape_style) for text in wording.shape_texts(layer.output_shape)]
    params = Text(wording.count(layer.params), style="yellow" if "params" in differing else style)
    mask = Text()
    if not depth:
        mask = Text(wording.mask_column(layer), "yellow" if wording.mask_lost(layer) else "dim")
    lines = _fields(name, shapes, params, layout, differing, entry.sign, mask)
    indent = DETAIL_INDENT + 2 * depth
    notes_by_aspect: dict[Aspect, str | None] = {
        "weights": wording.count_note(layer),
        "mixes": wording.mixes_note(layer),
    }
    marked = {text for aspect, text in notes_by_aspect.items() if aspect in differing}
    wiring = [entry.wiring] if entry.wiring and "inputs" not in differing else []
    for detail in [*entry.notes, *wiring, *_details(layer, in_full, depth)]:
        if detail in marked or detail in entry.notes:
            text = Text(f"{GLYPHS.differing} {detail}", style="yellow")
            lines += fold(text, layout.width, indent=indent - MARK, hang=MARK + 2)
        else:
            lines += fold(Text(detail, style="dim"), layout.width, indent=indent, hang=2)
    for held in wording.inner_layers(layer):
        lines += _layer(Entry(held), held, layout, in_full, depth + 1)
    return lines


def _fields(
    name: Text,
    shapes: list[Text],
    params: Text,
    layout: Layout,
    differing: frozenset[Aspect],
    sign: str = "",
    mask: Text | None = None,
) -> list[Text]:
    in_front = _mark("type", differing)
    if sign:
        in_front = Text(f"{sign} ", style="yellow")
    names = fold(name, layout.name, hang=2)
    # A shape too long for a line is folded between its numbers.
    side_by_side = layout.mask + layout.params
    room = layout.shape if layout.one_line else layout.width - 3 * MARK - side_by_side
    shapes = [part for shape in shapes for part in fold(shape, max(room, 8))]
    figures = _right(joined(_mark("params", differing), params), MARK + layout.params)
    if layout.mask:
        marked = joined(_mark("mask", differing), mask or Text())
        figures = joined(fill(marked, layout.mask), figures)
    lines = []
    if layout.one_line:
        for step in range(max(len(names), len(shapes))):
            line = joined(in_front if step == 0 else Text(" " * MARK))
            line.append_text(fill(names[step] if step < len(names) else Text(), layout.name + 1))
            line.append_text(_mark("output_shape", differing) if step == 0 else Text(" " * MARK))
            line.append_text(fill(shapes[step] if step < len(shapes) else Text(), layout.shape + 1))
            line.append_text(figures if step == 0 else Text())
            lines.append(line)
        return lines
    for step, part in enumerate(names):
        lines.append(joined(in_front if step == 0 else Text(" " * MARK), part))
    for step, part in enumerate(shapes):
        line = Text(" " * MARK)
        line.append_text(_mark("output_shape", differing) if step == 0 else Text(" " * MARK))
        line.append_text(fill(part, layout.width - 3 * MARK - side_by_side))
        line.append_text(figures if step == 0 else Text())
        lines.append(line)
    return lines


def _details(layer: LayerRow, in_full: bool, depth: int) -> list[str]:
    details = []
    if not depth and (note := wording.count_note(layer)):
        details.append(note)
    if in_full:
        held_layers = wording.walk_layers(wording.inner_layers(layer))
        inside = {weight.path for _, held in held_layers for weight in held.weights}
        own = [weight for weight in layer.weights if weight.path not in inside]
        if own:
            details.append(", ".join(keep_together(wording.weight_words(weight)) for weight in own))
        if not depth and (note := wording.cost_note(layer)):
            details.append(note)
    if layer.shared_with or in_full:
        details += wording.layer_notes(layer, depth)
    else:
        details += wording.steps_notes(layer)
        note = None if depth else wording.mask_note(layer)
        details += [note] if note and wording.mask_lost(layer) else []
    return details


def _totals(
    model: ModelReport, first: ModelReport, names: Sequence[str], layout: Layout
) -> list[Text]:
    lines = []
    own, others = wording.model_figures(model), wording.model_figures(first)
    for name in names:
        number, other = own.get(name), others.get(name)
        differing = None not in (number, other) and number != other
        mark = f"{GLYPHS.differing} " if differing else ""
        figure = f"{mark}{wording.figure_text(name, number)}"
        if MARK + cell_len(name) + 1 + cell_len(figure) > layout.width:
            figure = f"{mark}{wording.count(number)}"
        style = "bold" if name == "params" else ""
        style = f"{style} yellow" if differing else style
        line = fill(Text(f"{' ' * MARK}{name}", style=style), layout.width - len(figure))
        lines.append(joined(line, Text(figure, style=style)))
    if model.mixes is not None:
        differs = first.mixes not in (None, model.mixes)
        note = f"{GLYPHS.differing if differs else ' '} {wording.mixes_note(model)}"
        lines += fold(Text(note, style="yellow" if differs else ""), layout.width, hang=MARK + 2)
    for note in wording.model_notes(model)[1 if model.mixes is not None else 0 :]:
        lines += fold(Text(note), layout.width, indent=MARK, hang=2)
    return lines


def _mark(name: Aspect, differing: frozenset[Aspect]) -> Text:
    return Text(f"{GLYPHS.differing} ", style="yellow") if name in differing else Text(" " * MARK)


def _right(text: Text, width: int) -> Text:
    return joined(Text(" " * max(0, width - text.cell_len)), text)
