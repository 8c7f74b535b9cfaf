"""Changes move values, with leading axes or without, and are written as NumPy source."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.numerics.weight_changes import (
    Change,
    Join,
    Part,
    Permute,
    Reshape,
    ShapeError,
    Transpose,
)

ONE = np.arange(24.0).reshape(4, 6)
CASES: list[tuple[Change, list[Any], Any, str]] = [
    (Reshape((1, 4, 6)), [ONE], ONE[None], "reshape: [1, 4, 6]"),
    (Transpose((1, 0)), [ONE], ONE.T, "transpose: [1, 0]"),
    (Join(1), [ONE, -ONE[:, :2]], np.hstack([ONE, -ONE[:, :2]]), "join: 1"),
    (Join(-2), [ONE, ONE[:1]], np.vstack([ONE, ONE[:1]]), "join: -2"),
    (Part(1, 2, 5), [ONE], ONE[:, 2:5], "split: 1"),
    (Part(-2, 0, 3), [ONE], ONE[:3], "split: -2"),
    (
        Permute(1, (2, 0, 1)),
        [ONE],
        np.hstack([ONE[:, 4:], ONE[:, :2], ONE[:, 2:4]]),
        "permute: {axis: 1, blocks: [2, 0, 1]}",
    ),
    (
        Permute(-2, (1, 0)),
        [ONE],
        np.vstack([ONE[2:], ONE[:2]]),
        "permute: {axis: -2, blocks: [1, 0]}",
    ),
]


@pytest.mark.parametrize(("change", "given", "expected", "text"), CASES)
def test_values_are_moved(change: Change, given: list[Any], expected: Any, text: str) -> None:
    assert np.array_equal(change.apply(given), expected)
    assert change.shape([one.shape for one in given]) == expected.shape
    assert str(change) == text


@pytest.mark.parametrize(("change", "given", "expected", "text"), CASES)
def test_leading_axes_stay(change: Change, given: list[Any], expected: Any, text: str) -> None:
    stacked = [np.stack([one, one * 10]) for one in given]
    assert np.array_equal(change.apply(stacked, leading=1), np.stack([expected, expected * 10]))


@pytest.mark.parametrize(("change", "given", "expected", "text"), CASES)
def test_the_source_computes_the_same(
    change: Change, given: list[Any], expected: Any, text: str
) -> None:
    names = {f"w{n}": one for n, one in enumerate(given)}
    made = eval(change.source(list(names)), {"np": np, **names})  # our own text
    assert np.array_equal(made, expected)


@pytest.mark.parametrize(
    ("change", "shapes", "message"),
    [
        (Reshape((5, 5)), [(4, 6)], r"\(4, 6\) has 24 values, not 25"),
        (Transpose((1, 0)), [(4,)], r"\(4,\) has 1 axis, not 2"),
        (Transpose((1, 0)), [(4, 6, 2)], r"\(4, 6, 2\) has 3 axes, not 2"),
        (Join(1), [(4, 6), (5, 6)], r"\(4, 6\) and \(5, 6\) cannot be joined along axis 1"),
        (Join(1), [(4,), (5,)], r"\(4,\) has no axis 1"),
        (Part(0, 2, 5), [(4, 6)], r"\(4, 6\) has no 5 entries along axis 0"),
        (Permute(1, (3, 0, 1, 2)), [(4, 6)], "6 entries, which are not 4 blocks of equal size"),
        (Permute(-3, (1, 0)), [(4, 6)], r"\(4, 6\) has no axis -3"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: Change, shapes: list[tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        change.shape(shapes)
