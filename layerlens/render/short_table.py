"""Render the layers of the reference, and below each layer what is different in other models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from layerlens.byte_size import readable
from layerlens.render import wording
from layerlens.render.aligned_rows import Cell, Row, rows_of
from layerlens.render.options import Column, RenderOptions
from layerlens.render.styled import GLYPHS, fill, fold, joined, rule
from layerlens.report.layers import MODEL_TYPES

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport

INDENT = 2
#: The spaces between columns.
GAP = 2
#: The least width of the column of names, and of a shape before it is folded.
NARROWEST, NARROWEST_SHAPE = 20, 12


class ShortTable:
    """The lines of one table."""

    def __init__(
        self, models: Sequence[ModelReport], diffs: Sequence[ModelsDiff], options: RenderOptions
    ) -> None:
        self.models = models
        self.options = options
        self.rows = rows_of(models, diffs)
        layers = [entry for row in self.rows for cell in row for entry in self._shown(cell.layer)]
        self.sizes = {
            column: max(
                cell_len(text)
                for text in (
                    HEADINGS[column],
                    *(text for _, layer in layers for text in FIELDS[column](layer)),
                    *((wording.count(m.params) for m in models) if column == "params" else ()),
                )
            )
            for column in options.columns
        }
        names = [cell_len(_name(layer)) + 2 * depth for depth, layer in layers]
        heading = cell_len(wording.one_line(models[0].name)) + len(" (reference)")
        room = options.width - INDENT - sum(size + GAP for size in self.sizes.values())
        if room < NARROWEST:  # shapes are folded, numbers are not
            for column in self.sizes:
                if column in ("input", "output"):
                    narrow = max(NARROWEST_SHAPE, self.sizes[column] - (NARROWEST - room))
                    room += self.sizes[column] - min(narrow, self.sizes[column])
                    self.sizes[column] = min(narrow, self.sizes[column])
        self.name = max(NARROWEST, min(room, max([*names, heading])))

    def lines(self, *, compared: bool) -> Iterator[Text]:
        """Yield the table; `compared` marks the first model as the reference."""
        first = self.models[0]
        title = Text(wording.one_line(first.name), "bold")
        if compared:
            title.append(" (reference)", "not bold dim")
        headings = {column: (HEADINGS[column],) for column in self.sizes}
        yield from self._fields(title, headings, "dim")
        notes = wording.wiring_notes(first)
        wired = {id(first.layers[place]): note for place, note in notes.items()}
        for row in self.rows:
            if (layer := row[0].layer) is not None:
                for depth, held in self._shown(layer):
                    yield from self._layer(held, depth)
                if layer.shared_with:
                    again = f"shared: {wording.clean(layer.shared_with)} again, counted once"
                    yield from self._note(Text(again, "dim"))
                if not compared or any("mixes" in cell.differs for cell in row):
                    for note in wording.steps_notes(layer):
                        yield from self._note(Text(note, "dim"))
                if not compared and (wiring := wired.get(id(layer))) is not None:
                    yield from self._note(Text(wiring, "dim"))
            yield from self._differences(row)
        yield from self._refusals()
        width = self.name + sum(size + GAP for size in self.sizes.values())
        yield rule(" " * INDENT + GLYPHS.horizontal * width)
        yield from self._totals()
        yield from self._notes()

    def _shown(self, layer: LayerRow | None, depth: int = 0) -> Iterator[tuple[int, LayerRow]]:
        """Yield a layer and, with their depth, the layers of a model that stands in its place."""
        if layer is None:
            return
        yield depth, layer
        if self.options.depth is not None and depth >= self.options.depth:
            return
        for held in layer.holds:
            if held.type in MODEL_TYPES or layer.type in MODEL_TYPES:
                yield from self._shown(held, depth + 1)

    def _layer(self, layer: LayerRow, depth: int) -> Iterator[Text]:
        corner = "  " * (depth - 1) + f"{GLYPHS.corner} " if depth else ""
        name = Text(corner, "dim")
        name.append(wording.one_line(layer.name), "" if depth else "bold")
        name.append(f" ({wording.one_line(layer.type)})")
        yield from self._fields(name, {column: FIELDS[column](layer) for column in self.sizes})
        if self.options.counts and (note := wording.count_note(layer)) is not None:
            yield from self._note(Text(note, "dim"))

    def _fields(
        self, name: Text, fields: Mapping[Column, Sequence[str]], style: str = ""
    ) -> Iterator[Text]:
        """Yield the lines of one row; texts are folded in their columns."""
        names = fold(name, self.name, hang=2)
        folded = {
            column: [part for text in fields.get(column, ()) for part in fold(Text(text), size)]
            for column, size in self.sizes.items()
        }
        for step in range(max(len(names), *(len(parts) for parts in folded.values()), 1)):
            line = joined(Text(" " * INDENT))
            line.append_text(fill(names[step] if step < len(names) else Text(), self.name))
            for column, size in self.sizes.items():
                part = folded[column][step] if step < len(folded[column]) else Text()
                part.stylize(style)
                free = Text(" " * max(0, size - part.cell_len))
                gap = Text(" " * GAP)
                is_number = column in NUMBERS
                line.append_text(joined(gap, free, part) if is_number else joined(gap, part, free))
            line.rstrip()
            yield line

    def _note(self, text: Text) -> Iterator[Text]:
        yield from fold(text, self.options.width, indent=2 * INDENT, hang=2)

    def _differences(self, row: Row) -> Iterator[Text]:
        """Yield one line for each other model that differs in a row."""
        reference = row[0].layer
        for model, cell in zip(self.models[1:], row[1:], strict=True):
            name = wording.one_line(model.name)
            if cell.layer is None:
                if reference is not None and model.error is None and model.lists_layers:
                    yield from self._note(Text(f"{GLYPHS.minus} {name}: not here", "yellow"))
            elif reference is None:
                shape = wording.shapes_text(cell.layer.output_shape)
                params = wording.plural(cell.layer.params, "param")
                text = f"+ {name}: {_name(cell.layer)}, {shape}, {params}"
                yield from self._note(Text(text, "yellow"))
            elif words := _words(reference, cell, row):
                text = f"{GLYPHS.differing} {name}: {'; '.join(words)}"
                yield from self._note(Text(text, "yellow"))

    def _refusals(self) -> Iterator[Text]:
        for model in self.models:
            if model.error is not None:
                at = f" at {wording.one_line(model.error.layer)}" if model.error.layer else ""
                by = "Keras" if model.runtime is None else wording.one_line(model.runtime.name)
                text = f"{GLYPHS.wrong} {wording.one_line(model.name)}: refused by {by}{at}"
                yield from self._note(Text(text, "red"))

    def _totals(self) -> Iterator[Text]:
        first, *others = self.models
        own = _totals(first)
        params: dict[Column, Sequence[str]] = {"params": (wording.count(first.params),)}
        if "output" in self.sizes:
            params["output"] = (own,)
        yield from self._fields(Text("params", "bold"), params)
        for model in others:
            if model.params is None:
                continue  # refused, or an exported file, whose params are not counted
            if model.error is None and (model.params, _totals(model)) != (first.params, own):
                words = [wording.plural(model.params, "param"), _totals(model)]
                told = ", ".join(word for word in words if word)
                text = f"{GLYPHS.differing} {wording.one_line(model.name)}: {told}"
                yield from self._note(Text(text, "yellow"))

    def _notes(self) -> Iterator[Text]:
        """Yield what the models' outputs depend on, if that differs, and other notes on them."""
        mixing = {(model.mixes, model.window) for model in self.models}
        for model in self.models:
            name = f"{wording.one_line(model.name)}: " if len(self.models) > 1 else ""
            notes = wording.model_notes(model)
            if model.mixes is not None and len(mixing) == 1 and len(self.models) > 1:
                notes = notes[1:]
            for note in notes:
                yield from self._note(Text(f"{name}{note}", "dim"))


def _bytes(layer: LayerRow) -> str:
    size = sum(layer.bytes_by_dtype.values())
    return readable(size) if size else ""


#: Column → its heading, and the texts of a layer in it, one below the other.
HEADINGS: dict[Column, str] = {
    "input": "input shape",
    "output": "output shape",
    "params": "params",
    "trainable": "trainable",
    "dtype": "dtype",
    "bytes": "size",
    "multiply-adds": "multiply-adds",
}
FIELDS: dict[Column, Callable[[LayerRow], Sequence[str]]] = {
    "input": lambda layer: wording.shape_texts(layer.input_shape),
    "output": lambda layer: wording.shape_texts(layer.output_shape),
    "params": lambda layer: (wording.count(layer.params),),
    "trainable": lambda layer: (wording.count(layer.trainable_params),),
    "dtype": lambda layer: (wording.one_line(layer.dtype),),
    "bytes": lambda layer: (_bytes(layer),),
    "multiply-adds": lambda layer: (wording.count(layer.multiply_adds),),
}
#: Columns that are aligned on the right.
NUMBERS = frozenset({"params", "trainable", "bytes", "multiply-adds"})


def _name(layer: LayerRow) -> str:
    return f"{wording.one_line(layer.name)} ({wording.one_line(layer.type)})"


def _words(reference: LayerRow, cell: Cell, row: Row) -> list[str]:
    """Return what is different in another model's layer."""
    layer, differs = cell.layer, cell.differs
    assert layer is not None
    words = [_name(layer), *_own_arguments(layer, row)] if "type" in differs else []
    words += wording.change_notes(cell.change, reference, layer)
    if "output_shape" in differs:
        words.append(f"output {wording.shapes_text(layer.output_shape)}")
    if "params" in differs:
        words.append(wording.plural(layer.params, "param"))
    elif "weights" in differs:
        shapes = [", ".join(map(wording.weight_words, one.weights)) for one in (reference, layer)]
        words.append(" → ".join(shapes))
    if "mask" in differs:
        words.append(f"mask {wording.mask_column(reference)} → {wording.mask_column(layer)}")
    if "mixes" in differs:
        words.append(wording.mixes_note(layer))
    return words


def _own_arguments(layer: LayerRow, row: Row) -> Iterator[str]:
    """Yield the arguments in which a layer differs from others of its type in a row."""
    alike = [cell.layer for cell in row if cell.layer is not None and cell.layer.type == layer.type]
    for name, value in layer.arguments.items():
        if any(other.arguments.get(name) != value for other in alike):
            yield f"{wording.clean(name)}: {wording.argument(value)}"


def _totals(model: ModelReport) -> str:
    """Return how many params are trained, where not all are, and the bytes of all."""
    parts = []
    if model.non_trainable_params:
        parts.append(f"{wording.count(model.trainable_params)} trained")
    if model.bytes_by_dtype:
        parts.append(readable(sum(model.bytes_by_dtype.values())))
    return ", ".join(parts)
