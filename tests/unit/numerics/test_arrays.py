from __future__ import annotations

import numpy as np
import pytest

from layerlens.numerics.arrays import as_plain, greatest_index, in_blocks, per_sample_max


def test_the_first_true_element_in_row_major_order() -> None:
    flags = np.zeros((2, 3), dtype=bool)
    flags[1, 0] = flags[0, 2] = True
    assert greatest_index(flags) == (0, 2)


def test_the_greatest_element_and_the_first_of_several() -> None:
    assert greatest_index(np.asarray([[1.0, 7.0], [7.0, 3.0]])) == (0, 1)
    assert greatest_index(np.asarray(5.0)) == ()


def test_each_samples_greatest_value_broadcasts_against_the_array() -> None:
    array = np.asarray([[[1.0, 2.0]], [[9.0, 4.0]]])
    assert per_sample_max(array).tolist() == [[[2.0]], [[9.0]]]
    flat = np.asarray([3.0, 5.0])
    assert per_sample_max(flat) is flat


def test_plain_values_are_lists_numbers_and_text() -> None:
    assert as_plain(np.float32([[0.5, 2.0]])) == [[0.5, 2.0]]
    assert as_plain(np.bytes_(b"word")) == "word"


def test_blocks_have_all_values_in_row_major_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerlens.numerics.arrays.BLOCK", 4)
    array = np.arange(10.0).reshape(2, 5)
    assert [block.size for block in in_blocks(array)] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(list(in_blocks(array))), array.ravel())
    assert [block.size for block in in_blocks(np.asarray(3.0))] == [1]
    assert [block.size for block in in_blocks(np.zeros((0, 3)))] == [0]
