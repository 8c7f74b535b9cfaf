"""Render the layers of the reference, and below each layer what is different in other models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from layerlens.byte_size import readable
from layerlens.render import wording
from layerlens.render.aligned_rows import rows_of
from layerlens.render.options import Column, RenderOptions
from layerlens.render.short_rows import (
    ABSENT,
    ADDED,
    DIFFERS,
    REFUSED,
    Note,
    layer_name,
    model_notes,
    other_totals,
    refusals,
    short_rows,
    shown,
    totals,
)
from layerlens.render.styled import GLYPHS, fill, fold, joined, rule

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport

INDENT = 2
#: The spaces between columns.
GAP = 2
#: The least width of the column of names, and of a shape before it is folded.
NARROWEST, NARROWEST_SHAPE = 20, 12
#: The sign of a note → its style; others are dim.
STYLES = {DIFFERS: "yellow", ADDED: "yellow", ABSENT: "yellow", REFUSED: "red"}


class ShortTable:
    """The lines of one table."""

    def __init__(
        self, models: Sequence[ModelReport], diffs: Sequence[ModelsDiff], options: RenderOptions
    ) -> None:
        self.models = models
        self.options = options
        self.diffs = diffs
        layers = [
            entry
            for row in rows_of(models, diffs)
            for cell in row
            for entry in shown(cell.layer, options.depth)
        ]
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
        names = [cell_len(layer_name(layer)) + 2 * depth for depth, layer in layers]
        heading = cell_len(wording.one_line(models[0].name)) + len(" (reference)")
        room = options.width - INDENT - sum(size + GAP for size in self.sizes.values())
        if room < NARROWEST:  # shapes are folded, numbers are not
            for column in self.sizes:
                if column in ("input", "output"):
                    narrow = max(NARROWEST_SHAPE, self.sizes[column] - (NARROWEST - room))
                    room += self.sizes[column] - min(narrow, self.sizes[column])
                    self.sizes[column] = min(narrow, self.sizes[column])
        self.gap = GAP
        if room < NARROWEST:  # with every column, at 80
            self.gap, room = 1, room + (GAP - 1) * len(self.sizes)
        self.name = max(NARROWEST, min(room, max([*names, heading])))

    def lines(self, *, compared: bool) -> Iterator[Text]:
        """Yield the table; `compared` marks the first model as the reference."""
        first = self.models[0]
        title = Text(wording.one_line(first.name), "bold")
        if compared:
            title.append(" (reference)", "not bold dim")
        headings = {column: (HEADINGS[column],) for column in self.sizes}
        yield from self._fields(title, headings, "dim")
        rows = short_rows(
            self.models,
            self.diffs,
            compared=compared,
            depth=self.options.depth,
            counts=self.options.counts,
        )
        for row in rows:
            if row.layer is not None:
                yield from self._layer(row.layer, row.depth)
            yield from self._notes(row.notes)
        yield from self._notes(refusals(self.models))
        width = self.name + sum(size + self.gap for size in self.sizes.values())
        yield rule(" " * INDENT + GLYPHS.horizontal * width)
        yield from self._totals()
        yield from self._notes(model_notes(self.models))

    def _layer(self, layer: LayerRow, depth: int) -> Iterator[Text]:
        name = Text()
        name.append("  " * (depth - 1) + f"{GLYPHS.corner} " if depth else "", "dim")
        name.append(wording.one_line(layer.name), "" if depth else "bold")
        name.append(f" ({wording.one_line(layer.type)})", "dim")
        yield from self._fields(name, {column: FIELDS[column](layer) for column in self.sizes})

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
                gap = Text(" " * self.gap)
                is_number = column in NUMBERS
                line.append_text(joined(gap, free, part) if is_number else joined(gap, part, free))
            line.rstrip()
            yield line

    def _notes(self, notes: Iterable[Note]) -> Iterator[Text]:
        for note in notes:
            text = Text(str(note), STYLES.get(note.sign, "dim"))
            yield from fold(text, self.options.width, indent=2 * INDENT, hang=2)

    def _totals(self) -> Iterator[Text]:
        first = self.models[0]
        params: dict[Column, Sequence[str]] = {"params": (wording.count(first.params),)}
        if "output" in self.sizes:
            params["output"] = (totals(first),)
        yield from self._fields(Text("params", "bold"), params)
        yield from self._notes(other_totals(self.models))


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
