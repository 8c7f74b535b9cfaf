"""The texts of the short table: the reference's layers, and what is different in other models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from layerlens.byte_size import readable
from layerlens.render import wording
from layerlens.render.aligned_rows import Cell, Row, rows_of
from layerlens.report.layers import MODEL_TYPES

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport

DIFFERS, ADDED, ABSENT, REFUSED = "≠", "+", "−", "✘"


class Note(NamedTuple):
    """A line below a layer; `sign` is that of a difference, or empty."""

    sign: str
    text: str

    def __str__(self) -> str:
        return f"{self.sign} {self.text}" if self.sign else self.text


class ShortRow(NamedTuple):
    """A layer of the reference, or None where only other models have one, and its notes."""

    layer: LayerRow | None
    #: How many models stand around the layer.
    depth: int
    notes: tuple[Note, ...]


def short_rows(
    models: Sequence[ModelReport],
    diffs: Sequence[ModelsDiff],
    *,
    compared: bool,
    depth: int | None = None,
    counts: bool = False,
) -> Iterator[ShortRow]:
    """Yield the rows of the table.

    Args:
        models: The models, the reference first.
        diffs: How their layers are aligned.
        compared: Whether the first model is a reference, of which only differences are noted.
        depth: The depth to which the layers of nested models are listed; None is all of them.
        counts: Whether each count of params is explained.
    """
    first = models[0]
    wiring = wording.wiring_notes(first)
    wired = {id(first.layers[place]): note for place, note in wiring.items()}
    for row in rows_of(models, diffs):
        differences = list(_differences(models, row))
        if (layer := row[0].layer) is None:
            if differences:
                yield ShortRow(None, 0, tuple(differences))
            continue
        with_steps = not compared or any("mixes" in cell.differs for cell in row)
        rows = [
            ShortRow(held, level, tuple(_notes(held, counts=counts, steps=with_steps)))
            for level, held in shown(layer, depth)
        ]
        notes = list(rows[-1].notes)
        if not compared and (note := wired.get(id(layer))) is not None:
            notes.append(Note("", note))
        yield from rows[:-1]
        yield rows[-1]._replace(notes=(*notes, *differences))


def shown(
    layer: LayerRow | None, deepest: int | None, depth: int = 0
) -> Iterator[tuple[int, LayerRow]]:
    """Yield a layer and, with their depth, the layers of a model that stands in its place."""
    if layer is None:
        return
    yield depth, layer
    if deepest is not None and depth >= deepest:
        return
    for held in layer.holds:
        if held.type in MODEL_TYPES or layer.type in MODEL_TYPES:
            yield from shown(held, deepest, depth + 1)


def refusals(models: Sequence[ModelReport]) -> Iterator[Note]:
    """Yield a note for each model that was refused."""
    for model in models:
        if model.error is not None:
            at = f" at {wording.one_line(model.error.layer)}" if model.error.layer else ""
            by = "Keras" if model.runtime is None else wording.one_line(model.runtime.name)
            yield Note(REFUSED, f"{wording.one_line(model.name)}: refused by {by}{at}")


def totals(model: ModelReport) -> str:
    """Return how many params are trained, where not all are, and the bytes of all."""
    parts = []
    if model.non_trainable_params:
        parts.append(f"{wording.count(model.trainable_params)} trained")
    if model.bytes_by_dtype:
        parts.append(readable(sum(model.bytes_by_dtype.values())))
    return ", ".join(parts)


def other_totals(models: Sequence[ModelReport]) -> Iterator[Note]:
    """Yield a note for each model whose totals are not those of the first."""
    first, *others = models
    for model in others:
        if model.params is None or model.error is not None:
            continue  # refused, or an exported file, whose params are not counted
        if (model.params, totals(model)) != (first.params, totals(first)):
            words = [wording.plural(model.params, "param"), totals(model)]
            told = ", ".join(word for word in words if word)
            yield Note(DIFFERS, f"{wording.one_line(model.name)}: {told}")


def model_notes(models: Sequence[ModelReport]) -> Iterator[Note]:
    """Yield what the models' outputs depend on, if that differs, and other notes on them."""
    mixing = {(model.mixes, model.window) for model in models}
    for model in models:
        name = f"{wording.one_line(model.name)}: " if len(models) > 1 else ""
        notes = wording.model_notes(model)
        if model.mixes is not None and len(mixing) == 1 and len(models) > 1:
            notes = notes[1:]
        for note in notes:
            yield Note("", f"{name}{note}")


def layer_name(layer: LayerRow) -> str:
    """Return `dense (Dense)`."""
    return f"{wording.one_line(layer.name)} ({wording.one_line(layer.type)})"


def _notes(layer: LayerRow, *, counts: bool, steps: bool) -> Iterator[Note]:
    """Yield the notes on a layer's own count, on sharing and on its steps."""
    if counts:
        yield from _count(layer)
    if layer.shared_with:
        yield Note("", f"shared: {wording.clean(layer.shared_with)} again, counted once")
    if steps:
        yield from (Note("", note) for note in wording.steps_notes(layer))


def _count(layer: LayerRow) -> Iterator[Note]:
    if (note := wording.count_note(layer)) is not None:
        yield Note("", note)


def _differences(models: Sequence[ModelReport], row: Row) -> Iterator[Note]:
    """Yield a note for each other model that differs in a row."""
    reference = row[0].layer
    for model, cell in zip(models[1:], row[1:], strict=True):
        name = wording.one_line(model.name)
        if cell.layer is None:
            if reference is not None and model.error is None and model.lists_layers:
                yield Note(ABSENT, f"{name}: not here")
        elif reference is None:
            shape = wording.shapes_text(cell.layer.output_shape)
            params = wording.plural(cell.layer.params, "param")
            yield Note(ADDED, f"{name}: {layer_name(cell.layer)}, {shape}, {params}")
        elif words := _words(reference, cell, row):
            yield Note(DIFFERS, f"{name}: {'; '.join(words)}")


def _words(reference: LayerRow, cell: Cell, row: Row) -> list[str]:
    """Return what is different in another model's layer."""
    layer, differs = cell.layer, cell.differs
    assert layer is not None
    words = [layer_name(layer), *_own_arguments(layer, row)] if "type" in differs else []
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
