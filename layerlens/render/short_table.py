"""Render the layers of the reference, and below each layer what is different in other models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from layerlens.byte_size import readable
from layerlens.render import wording
from layerlens.render.aligned_rows import Cell, Row, rows_of
from layerlens.render.styled import GLYPHS, fill, fold, joined, rule

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport

INDENT = 2
#: The spaces between columns.
GAP = 2
#: The least width of the column of names, and of a shape before it is folded.
NARROWEST, NARROWEST_SHAPE = 20, 12
#: Types of layers that are models, whose layers are listed below them.
MODELS = ("Functional", "Sequential")


class ShortTable:
    """The lines of one table; `width` is that of the page."""

    def __init__(
        self, models: Sequence[ModelReport], diffs: Sequence[ModelsDiff], width: int
    ) -> None:
        self.models = models
        self.rows = rows_of(models, diffs)
        layers = [entry for row in self.rows for cell in row for entry in _with_models(cell.layer)]
        shapes = [text for _, layer in layers for text in wording.shape_texts(layer.output_shape)]
        names = [cell_len(_name(layer)) + 2 * depth for depth, layer in layers]
        self.params = max(
            [len(wording.count(layer.params)) for _, layer in layers]
            + [len(wording.count(model.params)) for model in models]
            + [len("params")]
        )
        shape = max(map(cell_len, [*shapes, "output shape"]))
        room = width - INDENT - self.params - 2 * GAP
        self.shape = min(shape, max(NARROWEST_SHAPE, room - NARROWEST))
        heading = cell_len(wording.one_line(models[0].name)) + len(" (reference)")
        self.name = max(NARROWEST, min(room - self.shape, max([*names, heading])))
        self.width = width

    def lines(self, *, compared: bool) -> Iterator[Text]:
        """Yield the table; `compared` marks the first model as the reference."""
        first = self.models[0]
        title = Text(wording.one_line(first.name), "bold")
        if compared:
            title.append(" (reference)", "not bold dim")
        yield from self._fields(title, [Text("output shape", "dim")], Text("params", "dim"))
        notes = wording.wiring_notes(first)
        wired = {id(first.layers[place]): note for place, note in notes.items()}
        for row in self.rows:
            if (layer := row[0].layer) is not None:
                for depth, held in _with_models(layer):
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
        yield rule(" " * INDENT + GLYPHS.horizontal * (self.name + self.shape + self.params + 4))
        yield from self._totals()
        yield from self._notes()

    def _layer(self, layer: LayerRow, depth: int) -> Iterator[Text]:
        corner = "  " * (depth - 1) + f"{GLYPHS.corner} " if depth else ""
        name = Text(corner, "dim")
        name.append(wording.one_line(layer.name), "" if depth else "bold")
        name.append(f" ({wording.one_line(layer.type)})")
        shapes = [Text(text) for text in wording.shape_texts(layer.output_shape)]
        yield from self._fields(name, shapes, Text(wording.count(layer.params)))

    def _fields(self, name: Text, shapes: list[Text], params: Text) -> Iterator[Text]:
        names = fold(name, self.name, hang=2)
        folded = [part for shape in shapes for part in fold(shape, self.shape)]
        for step in range(max(len(names), len(folded))):
            line = joined(Text(" " * INDENT))
            line.append_text(fill(names[step] if step < len(names) else Text(), self.name + GAP))
            line.append_text(fill(folded[step] if step < len(folded) else Text(), self.shape + GAP))
            if step == 0:
                line.append_text(Text(" " * max(0, self.params - params.cell_len)))
                line.append_text(params)
            yield line

    def _note(self, text: Text) -> Iterator[Text]:
        yield from fold(text, self.width, indent=2 * INDENT, hang=2)

    def _differences(self, row: Row) -> Iterator[Text]:
        """Yield one line for each other model that differs in a row."""
        reference = row[0].layer
        for model, cell in zip(self.models[1:], row[1:], strict=True):
            name = wording.one_line(model.name)
            if cell.layer is None:
                if reference is not None and model.error is None:
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
                text = f"{GLYPHS.wrong} {wording.one_line(model.name)}: refused by Keras{at}"
                yield from self._note(Text(text, "red"))

    def _totals(self) -> Iterator[Text]:
        first, *others = self.models
        own = _totals(first)
        count = Text(wording.count(first.params), "bold")
        yield from self._fields(Text("params", "bold"), [Text(own)], count)
        for model in others:
            if model.error is None and (model.params, _totals(model)) != (first.params, own):
                words = [wording.plural(model.params or 0, "param"), _totals(model)]
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


def _with_models(layer: LayerRow | None, depth: int = 0) -> Iterator[tuple[int, LayerRow]]:
    """Yield a layer and, with their depth, the layers of a model that stands in its place."""
    if layer is None:
        return
    yield depth, layer
    inner = layer.holds if depth or layer.type in MODELS or _holds_model(layer) else ()
    for held in inner:
        if held.type in MODELS or layer.type in MODELS:
            yield from _with_models(held, depth + 1)


def _holds_model(layer: LayerRow) -> bool:
    return any(held.type in MODELS for held in layer.holds)


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
