"""Measured arrays become maps small enough for a report, and say what they left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layerlens.numerics.heat_map import (
    MAX_COLUMNS,
    MAX_ROWS,
    differences_map,
    heat_map,
    step_map_row,
)
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import ProbeBatch
from layerlens.report.maps import FIRST, LAST, WHOLE, StepMapRow, kept_steps, outer_steps


def kept(seen, tried=None, **about) -> StepMapRow:
    seen = np.asarray(seen, dtype=bool)
    facts = {"source": "input", "source_layer": None, "output": 0, "has_steps": True} | about
    return step_map_row(seen, tried or range(seen.shape[1]), **{"inputs": seen.shape[1]} | facts)


def test_a_short_map_is_kept_whole() -> None:
    row = kept(np.tril(np.ones((3, 3))))
    assert row.seen == ("100", "110", "111")
    assert row.input_steps == row.output_steps == (0, 1, 2)
    assert row.beyond == (False, False, False)


def test_of_a_long_one_the_outer_steps_are_kept_and_the_rest_is_summarized() -> None:
    seen = np.eye(64, dtype=bool)
    seen[60, 30] = True  # a step that is not kept
    row = kept(seen)
    assert row.input_steps == (0, 1, 2, 3, 4, 5, 60, 61, 62, 63)
    assert (row.inputs, row.outputs) == (64, 64)
    assert row.seen[0] == "1000000000"
    assert row.seen[6] == "0000001000"
    assert [step for step, more in zip(row.output_steps, row.beyond, strict=True) if more] == [60]


def test_a_step_that_was_not_tried_is_not_said_to_be_unseen() -> None:
    row = kept(np.ones((20, 4)), (0, 1, 10, 19), inputs=20)
    assert row.input_steps == (0, 1, 19)
    assert set(row.seen) == {"111"}
    assert all(row.beyond)


def test_a_vector_has_no_steps() -> None:
    assert kept(np.ones((1, 5)), has_steps=False).outputs is None
    assert kept(np.ones((5, 1)), inputs=None).inputs is None


def test_which_steps_are_kept() -> None:
    assert kept_steps(WHOLE) == tuple(range(WHOLE))
    assert len(kept_steps(WHOLE + 1)) == FIRST + LAST
    assert outer_steps(FIRST + LAST) == tuple(range(FIRST + LAST))


# --- differences ----------------------------------------------------------------------------------


def seen(*gaps: np.ndarray) -> Observation:
    """Two models that are so far apart, in each of their outputs."""
    base = tuple(np.zeros(gap.shape, "float32") for gap in gaps)
    other = tuple(gap.astype("float32") for gap in gaps)
    count = len(gaps[0])
    batch = ProbeBatch(("normal",), (slice(0, count),), (np.zeros((count, 2)),))
    noise = tuple(NoiseFloor(np.full(gap.shape, 1e-7), np.full(gap.shape, 1e-16)) for gap in gaps)
    return Observation("drawn", "eager", batch, base, other, base, other, noise)


def gap(shape: tuple[int, ...], index: tuple[int, ...], size: float) -> np.ndarray:
    array = np.zeros(shape)
    array[index] = size
    return array


def test_the_greatest_over_samples_and_observations_stands_in_each_cell() -> None:
    found = differences_map(
        [
            seen(gap((2, 3, 2), (0, 1, 1), 0.5)),
            seen(gap((2, 3, 2), (1, 1, 1), 2.0)),
            seen(gap((2, 3, 2), (1, 2, 0), 0.25)),
        ]
    )
    assert found is not None
    assert (found.rows, found.columns, found.shape, found.block) == (
        "step",
        "feature",
        (3, 2),
        (1, 1),
    )
    assert found.cells == ((0.0, 0.0), (0.0, 2.0), (0.25, 0.0))


def test_nothing_is_mapped_where_nothing_differs_or_nothing_was_compared() -> None:
    assert differences_map([]) is None
    assert differences_map([seen(np.zeros((2, 3, 2)))]) is None
    assert differences_map([seen(np.ones(2))]) is None, "no axis beside the batch"


def test_the_output_that_differs_most_is_shown_and_named() -> None:
    found = differences_map([seen(gap((2, 3), (0, 1), 1.0), gap((2, 4), (0, 3), 7.0))])
    assert found is not None
    assert found.output == 1
    assert (found.rows, found.shape) == ("output", (1, 4))


def test_of_several_lengths_the_one_most_often_tried_is_shown() -> None:
    longer = seen(np.ones((2, 9, 2)))
    found = differences_map([longer, *[seen(gap((2, 4, 2), (0, 0, 0), 1.0))] * 2])
    assert found is not None
    assert found.shape == (4, 2)


def test_an_image_keeps_both_its_axes() -> None:
    found = differences_map([seen(gap((1, 3, 5, 2), (0, 2, 4, 1), 3.0))])
    assert found is not None
    assert (found.rows, found.columns, found.shape) == ("axis 1", "axis 2", (3, 5))
    assert found.cells[2][4] == 3.0


def test_a_large_map_is_reduced_to_blocks_and_loses_no_difference() -> None:
    gaps = np.zeros((100, 33))
    gaps[99, 32] = 5.0
    found = heat_map(gaps, output=0, names=("step", "feature"))
    assert found.shape == (100, 33)
    assert found.block == (4, 2)
    assert len(found.cells) <= MAX_ROWS
    assert len(found.cells[0]) <= MAX_COLUMNS
    assert found.cells[-1][-1] == 5.0
    assert sum(cell > 0 for row in found.cells for cell in row) == 1


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_not_finite_on_one_side_is_infinitely_far(odd: float) -> None:
    found = differences_map([seen(gap((1, 2, 2), (0, 0, 0), odd))])
    assert found is not None
    assert found.cells[0][0] == np.inf


def test_samples_that_a_slice_chose_are_not_mixed_up_with_steps() -> None:
    one = seen(np.ones((2, 3, 2)))
    batch = replace(one.batch, inputs=(np.zeros((5, 2)),))
    assert differences_map([replace(one, batch=batch)]) is None
