"""Shapes after a slice, with an open batch, and out of nested tuples."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from layerlens.models.inspect.shapes import (
    called_with_own_shapes,
    flat_shapes,
    is_shape,
    open_batch,
    selected_shape,
    tensor_shape,
    without_steps,
)
from layerlens.report.layers import ModelReport
from layerlens.scenario.slices import parse_select


@pytest.mark.parametrize(
    ("shape", "select", "selected"),
    [
        ((None, 8, 3), "[:, -1]", (None, 3)),
        ((None, 8, 3), "[:, 2:6:2]", (None, 2, 3)),
        ((None, 8, 3), "[..., 0]", (None, 8)),
        ((None, 8, 3), "[:, None]", (None, 1, 8, 3)),
        ((None, None, 3), "[:, 1:]", (None, None, 3)),
    ],
)
def test_a_slice_has_the_shape_that_numpy_gives(
    shape: tuple[int | None, ...], select: str, selected: tuple[int | None, ...]
) -> None:
    assert selected_shape(shape, select) == selected
    sizes = [9 if size is None else size for size in shape]
    if None not in shape[1:]:
        taken = np.empty(sizes)[parse_select(select)].shape
        assert taken == tuple(9 if size is None else size for size in selected)


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("[:, 0, 0, 0]", "takes 4 axes, but the output (None, 8, 3) has 3"),
        ("[:, 8]", "takes position 8 of axis 1, but the output (None, 8, 3) has 8 there"),
    ],
)
def test_a_slice_that_does_not_fit_raises(select: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"`select: ") as raised:
        selected_shape((None, 8, 3), select)
    assert message in str(raised.value)


def test_a_fixed_batch_is_reported_open_in_every_shape() -> None:
    report = ModelReport(
        "m", None, None, None, output_shape=((4, 3), (5, 3)), layers=(), input_shape=(4, 3)
    )
    opened = open_batch(report, 4)
    assert opened.input_shape == (None, 3)
    assert opened.output_shape == ((None, 3), (5, 3))


def test_single_shapes_are_found_in_tuples() -> None:
    nested: list[Any] = [(None, 3), ((None, 2), (None, 1)), None]
    assert list(flat_shapes(nested)) == [(None, 3), (None, 2), (None, 1)]
    assert is_shape(())
    assert not is_shape(((None, 2),))
    assert not is_shape([None, 2])


def test_steps_are_axis_1() -> None:
    assert without_steps([(None, 8, 3), (2, 5)]) == [(None, 3), (2,)]


def test_a_model_is_called_with_its_own_shapes_whatever_the_batch() -> None:
    model = SimpleNamespace(inputs=[SimpleNamespace(shape=(None, np.int64(3)))])
    assert tensor_shape(model.inputs[0]) == (None, 3)
    assert called_with_own_shapes(model, [(7, 3)])
    assert not called_with_own_shapes(model, [(7, 4)])
    assert not called_with_own_shapes(SimpleNamespace(), [])
