"""Rows with one cell per model."""

from __future__ import annotations

from dataclasses import replace

from layerlens.render.aligned_rows import rows_of
from layerlens.report.diffs import LayerChange, ModelsDiff
from layerlens.report.layers import LayerRow, ModelReport

DENSE = LayerRow("dense", "Dense", "dense", (None, 2), (None, 3), 9, "float32")
MODEL = ModelReport("a", 9, 9, 0, (None, 3), ())


def model(name: str, *layers: str) -> ModelReport:
    return replace(MODEL, name=name, layers=tuple(replace(DENSE, name=layer) for layer in layers))


def names(first: ModelReport, *others: ModelReport, diffs: tuple[ModelsDiff, ...] = ()) -> list:
    rows = rows_of((first, *others), diffs)
    return [tuple(cell.layer.name if cell.layer else None for cell in row) for row in rows]


def test_without_models_there_are_no_rows() -> None:
    assert rows_of((), ()) == []


def test_models_that_were_not_aligned_go_by_position() -> None:
    assert names(model("a", "x"), model("b", "y", "z")) == [("x", "y"), (None, "z")]
    assert names(model("a", "x", "y"), model("b", "z")) == [("x", "z"), ("y", None)]


def test_aligned_layers_share_a_row_and_others_are_inserted_before() -> None:
    first, other = model("a", "x", "y"), model("b", "new", "y2")
    changes = (
        LayerChange("only_candidate", None, "new", None, 0),
        LayerChange("only_reference", "x", None, 0, None),
        LayerChange("changed", "y", "y2", 1, 1, differs=("params",)),
    )
    diff = ModelsDiff("a", "b", changes)
    assert names(first, other, diffs=(diff,)) == [(None, "new"), ("x", None), ("y", "y2")]
    *_, (reference, candidate) = rows_of((first, other), (diff,))
    assert reference.differs == frozenset()
    assert candidate.differs == {"params"}


def test_insertions_of_several_models_share_rows() -> None:
    first, second, third = model("a", "x"), model("b", "p", "x"), model("c", "q", "x")
    diffs = tuple(
        ModelsDiff(
            "a",
            name,
            (
                LayerChange("only_candidate", None, new, None, 0),
                LayerChange("same", "x", "x", 0, 1),
            ),
        )
        for name, new in (("b", "p"), ("c", "q"))
    )
    assert names(first, second, third, diffs=diffs) == [(None, "p", "q"), ("x", "x", "x")]
