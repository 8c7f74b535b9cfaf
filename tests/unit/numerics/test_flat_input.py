import numpy as np

from layerlens.numerics.flat_input import Entries, as_written, chunks, simpler_numbers
from layerlens.scenario.spec import InputSpec

TWO = Entries((InputSpec("x", (2, 2)), InputSpec("y", (3,), "int32", low=2, high=9)))


def _two() -> tuple[np.ndarray, np.ndarray]:
    return np.float32([[[0, 1.5], [0, -2]]]), np.int32([[2, 5, 8]])


def test_a_blank_is_zero_or_the_lowest_allowed() -> None:
    tokens = Entries((InputSpec("t", (1,), "int32", low=0, high=5), InputSpec("w", (1,), "string")))
    assert [
        tokens.blank_value(0),
        tokens.blank_value(1),
        TWO.blank_value(0),
        TWO.blank_value(1),
    ] == [0, "", 0.0, 2]


def test_places_count_over_all_inputs() -> None:
    assert TWO.nonblank(_two()).tolist() == [1, 3, 5, 6]
    one, other = TWO.keep_only(_two(), np.array([3, 5]))
    assert one.tolist() == [[[0, 0], [0, -2]]]
    assert other.tolist() == [[2, 5, 2]]


def test_placed_leaves_the_original_alone() -> None:
    given = _two()
    changed = TWO.with_values(given, np.array([1, 6]), [7.0, 3])
    assert changed[0].tolist() == [[[0, 7], [0, -2]]]
    assert changed[1].tolist() == [[2, 5, 3]]
    assert given[0].tolist() == [[[0, 1.5], [0, -2]]]


def test_rounder_values_stay_in_the_range_of_an_integer_input() -> None:
    assert TWO.simpler_values(_two(), 6) == (2, 3)
    assert TWO.simpler_values(_two(), 4) == ()


def test_rounder_numbers_start_with_the_simplest() -> None:
    assert simpler_numbers(-945.7481) == (1.0, -1.0, -2.0, -100.0, -900.0, -946.0, -950.0)
    assert simpler_numbers(0.0314159) == (1.0, 2.0, 0.01, 0.03, 0.031, 0.0314)
    assert simpler_numbers(1.0) == simpler_numbers(0.0) == simpler_numbers(float("nan")) == ()


def test_chunks_go_down_to_single_places() -> None:
    sizes = [[len(part) for part in level] for level in chunks(np.arange(5), 8)]
    assert sizes == [[5], [3, 2], [2, 1, 1, 1], [1, 1, 1, 1, 1]]


def test_written_numbers_read_back_as_the_same() -> None:
    array = np.float32([[0.1, 1e-7], [np.inf, np.nan]])
    written = as_written(array)
    assert written[0] == [0.1, 1e-07]
    assert np.array_equal(np.float32(written), array, equal_nan=True)
