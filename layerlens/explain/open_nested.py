"""Put the layers of nested models in the place of their models, to compare them with others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from layerlens.report.layers import MODEL_TYPES, LayerRow, ModelReport


def open_nested(
    reference: ModelReport, candidate: ModelReport
) -> tuple[ModelReport, ModelReport] | None:
    """Return both models with nested models opened; None where that makes no difference.

    Nested models stay closed if both models have the same types of layers in the same places:
    then they are compared as they are. A layer of a nested model is named by its path.
    """
    types = [[row.type for row in model.layers] for model in (reference, candidate)]
    opened = tuple(
        replace(model, layers=tuple(_opened(model.layers))) for model in (reference, candidate)
    )
    if types[0] == types[1] or opened == (reference, candidate):
        return None
    return opened[0], opened[1]


def _opened(rows: tuple[LayerRow, ...]) -> Iterator[LayerRow]:
    """Yield the rows, and in place of a chain in a nested model those of its layers."""
    renamed: dict[str, str] = {}
    for row in rows:
        inputs = tuple(renamed.get(name, name) for name in row.inputs)
        if not is_nested(row):
            yield replace(row, inputs=inputs)
            continue
        source = inputs[0]
        paths = {inner.name: inner.path for inner in row.holds}
        held = [
            replace(
                inner,
                name=inner.path,
                inputs=tuple(paths.get(name, source) for name in inner.inputs),
            )
            for inner in row.holds
        ]
        flat = list(_opened(tuple(held)))
        renamed[row.name] = flat[-1].name
        yield from flat


def is_nested(row: LayerRow) -> bool:
    """Return whether a row is a nested model of one input that ends in its last layer."""
    return (
        row.type in MODEL_TYPES
        and bool(row.holds)
        and len(row.inputs) == 1
        and row.shared_with is None
        and row.holds[-1].output_shape == row.output_shape
        and all(inner.inputs for inner in row.holds)
    )
