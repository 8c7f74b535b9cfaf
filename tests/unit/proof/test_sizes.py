from __future__ import annotations

import pytest

from layerlens.models.execute.lengths import BEYOND
from layerlens.models.execute.receptive_field import receptive_field
from layerlens.proof.field.value import CannotProveError
from layerlens.proof.sizes import (
    VARIABLE_SIZES,
    Reach,
    Size,
    apart,
    lengths_text,
    variable_sizes,
    with_lengths,
)
from layerlens.scenario.spec import LayerSpec
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides


def test_every_row_has_a_length_beyond_the_layers() -> None:
    rows = list(variable_sizes(30))
    assert [row[-1] for row in rows] == [Size(2, 30), Size(2, 30), Size(3, 63)]
    assert [row[:4] for row in rows] == list(VARIABLE_SIZES)
    rows = list(variable_sizes(30, (4, 8)))
    assert [size.length for size in rows[0][4:]] == [30, 34, 38]
    assert [size.length for size in rows[2][4:]] == [64, 68, 72]


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ((5, 8, 6, 7, 42), "5 to 8 and 42"),
        ((5, 8, 6, 7), "5 to 8"),
        ((9,), "9"),
        ((5, 6, 20, 24, 25), "5 to 6, 20 and 24 to 25"),
    ],
)
def test_lengths_are_written_as_a_range(lengths: tuple[int, ...], text: str) -> None:
    assert lengths_text(lengths) == text


def test_variable_axes_get_unlike_lengths() -> None:
    assert with_lengths((None, 3, None), 5) == (5, 3, 7)


def test_inputs_of_different_lengths_rise_fall_and_broadcast() -> None:
    specs = [input_of(None, 4), input_of(None, 4)]
    lengths = [
        [size.of(spec, place).shape[0] for place, spec in enumerate(specs)]
        for size in apart(VARIABLE_SIZES[0])
    ]
    assert lengths == [[5, 6], [8, 7], [5, 1]]
    assert [size.length for size in apart([Size(4, 9)])] == [9, 9, 9]  # a row of one size


def reach_of(*layers: LayerSpec) -> Reach:
    one, other = sides(chain("reference", *layers), chain("candidate", *layers), input_of(None, 1))
    return Reach.of([receptive_field(side.built) for side in (one, other)])


def conv(kernel_size: int, strides: int = 1) -> LayerSpec:
    return layer("Conv1D", filters=1, kernel_size=kernel_size, strides=strides)


@needs_backend
def test_a_length_reaches_beyond_the_widest_kernel() -> None:
    assert reach_of(conv(9)) == Reach(9 + BEYOND)


@needs_backend
def test_lengths_leave_each_remainder_at_each_stride() -> None:
    assert reach_of(conv(1, 2), conv(1, 2)).further == ()  # seen at lengths of 5 to 8
    assert reach_of(conv(1, 2), conv(1, 2), conv(1, 3), conv(1)).further == (4, 8)
    assert reach_of(conv(3, 6)).further == (1, 2, 3, 4, 5)


@needs_backend
def test_more_remainders_than_lengths_are_refused() -> None:
    with pytest.raises(CannotProveError, match="too many remainders"):
        reach_of(conv(1, 40))
