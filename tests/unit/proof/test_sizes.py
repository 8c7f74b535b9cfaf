from __future__ import annotations

import pytest

from layerlens.models.execute.lengths import BEYOND
from layerlens.proof.sizes import (
    VARIABLE_SIZES,
    beyond_all_layers,
    lengths_text,
    variable_sizes,
    with_lengths,
)
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides


def test_every_row_has_a_length_beyond_the_layers() -> None:
    rows = list(variable_sizes(30))
    assert [row[-1] for row in rows] == [(2, 30), (2, 30), (3, 63)]
    assert [row[:4] for row in rows] == list(VARIABLE_SIZES)


@pytest.mark.parametrize(
    ("lengths", "text"),
    [((5, 8, 6, 7, 42), "5 to 8 and 42"), ((5, 8, 6, 7), "5 to 8"), ((9,), "9")],
)
def test_lengths_are_written_as_a_range(lengths: tuple[int, ...], text: str) -> None:
    assert lengths_text([(2, length) for length in lengths]) == text


def test_variable_axes_get_unlike_lengths() -> None:
    assert with_lengths((None, 3, None), 5) == (5, 3, 7)


@needs_backend
def test_a_length_reaches_beyond_the_widest_kernel() -> None:
    wide = layer("Conv1D", filters=1, kernel_size=9)
    one, other = sides(chain("reference", wide), chain("candidate", wide), input_of(None, 1))
    assert beyond_all_layers(one.built, other.built) == 9 + BEYOND
