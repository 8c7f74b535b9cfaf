"""Layer tables of several models side by side, as styled lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from layerlens.render import wording
from layerlens.render.aligned_rows import Row, rows_of
from layerlens.render.styled import GLYPHS, fill, fold, joined, rule, sticky

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport
    from layerlens.vocabulary import Aspect

SEPARATOR = f" {GLYPHS.vertical} "
#: Room for a mark in front of a field.
MARK = 2
#: The narrowest block that is still pleasant to read beside another one.
NARROWEST = 26
#: Longer words in a layer's name may be broken to keep all its fields on one line.
LONGEST_WORD = 24
#: Wider, the eye would lose the way from a shape to its count.
WIDEST_COMPACT = 60
DETAIL_INDENT = 4
LAYER = "layer (type)"
#: Of the column with the masks: `yes→yes` behind a mark.
MASK_WIDTH = 9


@dataclass(frozen=True, slots=True)
class Layout:
    """How one model's block is laid out: all fields on one line, or the name above the others."""

    width: int
    shape: int
    params: int
    one_line: bool
    #: Nothing where no model has masks.
    mask: int = 0

    @property
    def name(self) -> int:
        if not self.one_line:
            return self.width - MARK
        return self.width - 3 * MARK - self.shape - self.mask - self.params - 2


@dataclass(frozen=True, slots=True)
class Place:
    """One model's part of a row."""

    layer: LayerRow | None = None
    marks: frozenset[Aspect] = frozenset()
    #: What the layer is applied to, where that is not just the one above it.
    wiring: str | None = None
    #: What differs from the reference that no column shows.
    notes: tuple[str, ...] = ()
    #: What stands here instead of a layer, or in front of it: "+", "−" or "✘".
    sign: str = ""
    words: str = ""
    #: Whether the models part in this row: then it is explained in full.
    telling: bool = False


def layer_table(
    models: Sequence[ModelReport],
    diffs: Sequence[ModelsDiff],
    width: int,
    *,
    reference: str | None,
    every_weight: bool,
) -> list[Text]:
    """Return the lines of the tables: side by side where that fits, else one below the other.

    `reference` is the name of the model that is said to be the reference, if any.
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
    """Return what the marks mean, or None where there are none."""
    places = [place for column in _columns(models, diffs)[1:] for place in column]
    first = wording.clean(models[0].name) if models else ""
    meanings = [
        (GLYPHS.unlike, f"differs from {first}", any(place.marks for place in places)),
        ("+", "only here", any(place.sign == "+" for place in places)),
        (GLYPHS.minus, "not here", any(place.sign == GLYPHS.minus for place in places)),
    ]
    used = [f"{sign} {meaning}" for sign, meaning, seen in meanings if seen]
    return Text("   ".join(used), style="dim") if used else None


def _columns(models: Sequence[ModelReport], diffs: Sequence[ModelsDiff]) -> list[list[Place]]:
    """Return one column of places per model, all of the same length."""
    rows = rows_of(models, diffs)
    columns = [_column(model, rows, position) for position, model in enumerate(models)]
    telling = [
        any(place.marks or place.sign for place in row)
        for row in zip_longest(*columns, fillvalue=Place())
    ]
    return [
        [replace(place, telling=telling[step]) for step, place in enumerate(column)]
        for column in columns
    ]


def _column(model: ModelReport, rows: Sequence[Row], position: int) -> list[Place]:
    own = [row[position] for row in rows]
    last = max((place for place, cell in enumerate(own) if cell.layer is not None), default=-1)
    column = []
    wiring = wording.wiring_notes(model)
    places = {id(layer): place for place, layer in enumerate(model.layers)}
    for step, (cell, row) in enumerate(zip(own, rows, strict=True)):
        beside = row[0].layer
        if cell.layer is not None:
            extra = position > 0 and beside is None
            notes = wording.change_notes(cell.change, beside, cell.layer)
            column.append(
                Place(
                    cell.layer,
                    cell.differs,
                    wiring.get(places[id(cell.layer)]),
                    tuple(notes),
                    "+" if extra else "",
                )
            )
        elif model.error is None and beside is not None:
            name = wording.one_line(beside.name)
            column.append(Place(sign=GLYPHS.minus, words=f"nothing in place of {name}"))
        elif model.error is not None and step == last + 1:
            column.append(_refused(model))
        else:
            column.append(Place())
    if model.error is not None and last == len(rows) - 1:
        column.append(_refused(model))
    return column


def _refused(model: ModelReport) -> Place:
    error = model.error
    at = f"{wording.one_line(error.layer)} " if error and error.layer else ""
    return Place(sign=GLYPHS.wrong, words=f"{at}refused by Keras")


def _side_by_side(models: Sequence[ModelReport], width: int) -> Layout | None:
    """Return the layout of every block where all of them fit beside one another."""
    each = (width - len(SEPARATOR) * (len(models) - 1)) // len(models)
    layout = _layout(models, each)
    fields = layout.shape + layout.mask + MARK + layout.params
    least = max(NARROWEST, MARK + DETAIL_INDENT + fields)
    return layout if len(models) == 1 or each >= least else None


def _layout(models: Sequence[ModelReport], width: int) -> Layout:
    """Return a layout of at most `width` that holds the longest field of any model."""
    rows = [entry for model in models for entry in wording.walk_layers(model.layers)]
    shapes = [text for _, row in rows for text in wording.shape_texts(row.output_shape)]
    counts = [wording.count(row.params) for _, row in rows]
    counts += [wording.count(model.params) for model in models]
    mask = MASK_WIDTH if wording.has_masks(models) else 0
    shape = max(map(cell_len, [*shapes, "output shape"]))
    params = max(map(cell_len, [*counts, "params"]))
    names = [_name_words(row, depth) for depth, row in rows]
    # A type that folds below its name hangs by two cells.
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
    columns: Sequence[Sequence[Place]],
    layout: Layout,
    first: ModelReport,
    reference: str | None,
    every_weight: bool,
) -> list[Text]:
    def beside(block: Callable[[int], list[Text]]) -> list[Text]:
        return _beside([block(position) for position in range(len(models))], layout.width)

    last = len(models) - 1
    ruled = rule(
        GLYPHS.cross.join(
            GLYPHS.horizontal * (layout.width + (position > 0) + (position < last))
            for position in range(len(models))
        )
    )
    lines = beside(lambda at: _heading(models[at], layout, reference))
    lines.append(ruled)
    for step in range(max(len(column) for column in columns)):
        places = [column[step] if step < len(column) else Place() for column in columns]
        lines += beside(lambda at, row=places: _block(row[at], layout, every_weight))  # type: ignore[misc]
    lines.append(ruled)
    names = wording.figure_names(models)
    lines += beside(lambda at: _totals(models[at], first, names, layout))
    return lines


def _beside(blocks: Sequence[Sequence[Text]], width: int) -> list[Text]:
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


def _block(place: Place, layout: Layout, every_weight: bool) -> list[Text]:
    if place.layer is not None:
        in_full = every_weight or place.telling
        return _layer(place, place.layer, layout, in_full)
    if not place.words:
        return []
    style = "red" if place.sign == GLYPHS.wrong else "yellow"
    return fold(Text(f"{place.sign} {place.words}", style=style), layout.width, hang=MARK)


def _layer(
    place: Place, layer: LayerRow, layout: Layout, in_full: bool, depth: int = 0
) -> list[Text]:
    """Return a layer's lines; what it holds has a place that says nothing of its own."""
    unlike = place.marks
    style = "dim" if depth else ""
    name = Text(style=style)
    if depth:
        name.append("  " * (depth - 1) + f"{GLYPHS.corner} ")
    name.append(wording.one_line(layer.name), style="" if depth else "bold")
    name.append(f" ({wording.one_line(layer.type)})", style="yellow" if "type" in unlike else "")
    shape_style = "yellow" if "output_shape" in unlike else style
    shapes = [Text(text, style=shape_style) for text in wording.shape_texts(layer.output_shape)]
    params = Text(wording.count(layer.params), style="yellow" if "params" in unlike else style)
    mask = Text()
    if not depth:
        mask = Text(wording.mask_column(layer), "yellow" if wording.mask_lost(layer) else "dim")
    lines = _fields(name, shapes, params, layout, unlike, place.sign, mask)
    indent = DETAIL_INDENT + 2 * depth
    told: dict[Aspect, str | None] = {
        "weights": wording.count_note(layer),
        "mixes": wording.mixes_note(layer),
    }
    marked = {text for aspect, text in told.items() if aspect in unlike}
    wiring = [place.wiring] if place.wiring and "inputs" not in unlike else []
    for detail in [*place.notes, *wiring, *_details(layer, in_full, depth)]:
        if detail in marked or detail in place.notes:
            text = Text(f"{GLYPHS.unlike} {detail}", style="yellow")
            lines += fold(text, layout.width, indent=indent - MARK, hang=MARK + 2)
        else:
            lines += fold(Text(detail, style="dim"), layout.width, indent=indent, hang=2)
    for held in wording.opened(layer):
        lines += _layer(Place(held), held, layout, in_full, depth + 1)
    return lines


def _fields(
    name: Text,
    shapes: list[Text],
    params: Text,
    layout: Layout,
    unlike: frozenset[Aspect],
    sign: str = "",
    mask: Text | None = None,
) -> list[Text]:
    in_front = _mark("type", unlike)
    if sign:
        in_front = Text(f"{sign} ", style="yellow")
    names = fold(name, layout.name, hang=2)
    # A shape too long even for a line of its own folds between its numbers.
    beside = layout.mask + layout.params
    room = layout.shape if layout.one_line else layout.width - 3 * MARK - beside
    shapes = [part for shape in shapes for part in fold(shape, max(room, 8))]
    figures = _right(joined(_mark("params", unlike), params), MARK + layout.params)
    if layout.mask:
        marked = joined(_mark("mask", unlike), mask or Text())
        figures = joined(fill(marked, layout.mask), figures)
    lines = []
    if layout.one_line:
        for step in range(max(len(names), len(shapes))):
            line = joined(in_front if step == 0 else Text(" " * MARK))
            line.append_text(fill(names[step] if step < len(names) else Text(), layout.name + 1))
            line.append_text(_mark("output_shape", unlike) if step == 0 else Text(" " * MARK))
            line.append_text(fill(shapes[step] if step < len(shapes) else Text(), layout.shape + 1))
            line.append_text(figures if step == 0 else Text())
            lines.append(line)
        return lines
    for step, part in enumerate(names):
        lines.append(joined(in_front if step == 0 else Text(" " * MARK), part))
    for step, part in enumerate(shapes):
        line = Text(" " * MARK)
        line.append_text(_mark("output_shape", unlike) if step == 0 else Text(" " * MARK))
        line.append_text(fill(part, layout.width - 3 * MARK - beside))
        line.append_text(figures if step == 0 else Text())
        lines.append(line)
    return lines


def _details(layer: LayerRow, in_full: bool, depth: int) -> list[str]:
    details = []
    if not depth and (note := wording.count_note(layer)):
        details.append(note)
    if in_full:
        held_layers = wording.walk_layers(wording.opened(layer))
        inside = {weight.path for _, held in held_layers for weight in held.weights}
        own = [weight for weight in layer.weights if weight.path not in inside]
        if own:
            details.append(", ".join(sticky(wording.weight_words(weight)) for weight in own))
        if not depth and (note := wording.cost_note(layer)):
            details.append(note)
    if layer.shared_with or in_full:
        details += wording.layer_notes(layer, depth)
    elif not depth:
        details += wording.steps_notes(layer)
        note = wording.mask_note(layer)
        details += [note] if note and wording.mask_lost(layer) else []
    return details


def _totals(
    model: ModelReport, first: ModelReport, names: Sequence[str], layout: Layout
) -> list[Text]:
    lines = []
    own, others = wording.model_figures(model), wording.model_figures(first)
    for name in names:
        number, other = own.get(name), others.get(name)
        unlike = None not in (number, other) and number != other
        figure = f"{GLYPHS.unlike} {wording.count(number)}" if unlike else wording.count(number)
        style = "bold" if name == "params" else ""
        style = f"{style} yellow" if unlike else style
        line = fill(Text(f"{' ' * MARK}{name}", style=style), layout.width - len(figure))
        lines.append(joined(line, Text(figure, style=style)))
    if model.mixes is not None:
        differs = first.mixes not in (None, model.mixes)
        note = f"{GLYPHS.unlike if differs else ' '} {wording.mixes_note(model)}"
        lines += fold(Text(note, style="yellow" if differs else ""), layout.width, hang=MARK + 2)
    for note in wording.model_notes(model)[1 if model.mixes is not None else 0 :]:
        lines += fold(Text(note), layout.width, indent=MARK, hang=2)
    return lines


def _mark(name: Aspect, unlike: frozenset[Aspect]) -> Text:
    return Text(f"{GLYPHS.unlike} ", style="yellow") if name in unlike else Text(" " * MARK)


def _right(text: Text, width: int) -> Text:
    return joined(Text(" " * max(0, width - text.cell_len)), text)
