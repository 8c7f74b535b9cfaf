"""What rules ask of a refused layer: its message, its inputs and the layers before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from layerlens.models.keras_errors.refusal import Refusal, shapes_of
from layerlens.report.layers import LayerRow
from layerlens.scenario.spec import LayerSpec


def row(name: str, given: Any, output: Any) -> LayerRow:
    return LayerRow(name, "Dense", name, given, output, 0, "float32")


EMBEDDING = row("embedding", (None, 5), (None, 5, 3))
POOLED = row("pooled", (None, 5, 3), (None, 3))
SCALED = row("scaled", (None, 3), (None, 3))
REFUSAL = Refusal(
    "expected ndim=3, found ndim=2",
    ValueError(),
    "lstm",
    "LSTM",
    {},
    ((None, 3),),
    (EMBEDDING, POOLED, SCALED),
)


def test_the_rows_before_are_followed_by_their_shapes() -> None:
    assert REFUSAL.producer is SCALED
    assert list(REFUSAL.upstream_rows()) == [SCALED, POOLED, EMBEDDING]
    assert REFUSAL.rank_changing_row() is POOLED


def test_the_rows_before_are_followed_by_their_names_where_known() -> None:
    named = replace(REFUSAL, upstream=("pooled", "embedding"))
    assert list(named.upstream_rows()) == [POOLED, EMBEDDING]
    assert named.producer_name == "pooled"


def test_an_input_of_the_model_has_no_producer() -> None:
    alone = replace(REFUSAL, before=())
    assert (alone.producer, alone.producer_name, alone.rank_changing_row()) == (None, None, None)


def test_axes_are_read_from_the_message() -> None:
    assert REFUSAL.reported_axes == (3, 2)
    assert REFUSAL.reported_kernel_axes is None
    kernel = replace(
        REFUSAL,
        reason="Kernel shape must have the same length as input, but received kernel of shape "
        "(3, 3, 1, 2) and input of shape (None, 9, 9, 3, 1)",
    )
    assert kernel.reported_kernel_axes == (4, 5)
    assert kernel.reported_axes is None


@pytest.mark.parametrize(
    ("wrapper", "argument", "shapes"),
    [("TimeDistributed", "layer", ((None, 3),)), ("RNN", "cell", ((None, 5, 3),))],
)
def test_the_wrapped_layer_has_a_refusal_of_its_own(
    wrapper: str, argument: str, shapes: Any
) -> None:
    held = LayerSpec("Dense", {"units": 2})
    outer = replace(REFUSAL, type=wrapper, arguments={argument: held}, shapes=((None, 5, 3),))
    inner = outer.for_inner()
    assert inner is not None
    assert (inner.type, inner.arguments, inner.shapes) == ("Dense", {"units": 2}, shapes)
    assert REFUSAL.for_inner() is None


@pytest.mark.parametrize(
    ("value", "shapes"),
    [
        ((None, 3), ((None, 3),)),
        ([None, 3], ((None, 3),)),
        ([(None, 3), [(None, 4), (None, 5)]], ((None, 3), (None, 4), (None, 5))),
        (None, ()),
    ],
)
def test_nested_shapes_are_flattened(value: Any, shapes: Any) -> None:
    assert shapes_of(value) == shapes
