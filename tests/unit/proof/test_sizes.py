from __future__ import annotations

import pytest

from layerlens.models.execute.lengths import BEYOND
from layerlens.proof.sizes import (
    VARIABLE_SIZES,
    Size,
    apart,
    beyond_all_layers,
    lengths_text,
    variable_sizes,
    with_lengths,
)
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides


def test_every_row_has_a_length_beyond_the_layers() -> None:
    rows = list(variable_sizes(30))
    assert [row[-1] for row in rows] == [Size(2, 30), Size(2, 30), Size(3, 63)]
    assert [row[:4] for row in rows] == list(VARIABLE_SIZES)


@pytest.mark.parametrize(
    ("lengths", "text"),
    [((5, 8, 6, 7, 42), "5 to 8 and 42"), ((5, 8, 6, 7), "5 to 8"), ((9,), "9")],
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


@needs_backend
def test_a_length_reaches_beyond_the_widest_kernel() -> None:
    wide = layer("Conv1D", filters=1, kernel_size=9)
    one, other = sides(chain("reference", wide), chain("candidate", wide), input_of(None, 1))
    assert beyond_all_layers(one.built, other.built) == 9 + BEYOND
