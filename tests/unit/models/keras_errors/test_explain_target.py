"""Targets that a loss cannot compare with an output."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.keras_errors import explain_target

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize(
    ("loss", "target", "output", "words", "hint"),
    [
        ("mse", (64, 8), (None, 8), "rank differs", "`return_sequences: true`"),
        ("mse", (8,), (None, 64, 8), "rank differs", "`return_sequences: false`"),
        ("categorical_crossentropy", (), (None, 8), "class numbers", "sparse_categorical"),
        ("categorical_crossentropy", (1,), (None, 8), "last axis is 1", "sparse_categorical"),
        ("sparse_categorical_crossentropy", (8,), (None, 8), "one-hot", "categorical_crossentropy"),
        ("sparse_categorical_crossentropy", (5, 2), (None, 8), "rank 1", "{shape: []}"),
        ("MeanSquaredError", (4,), (None, 8), "axis 1, 4 against 8", "last layer 4 units"),
        (
            "mse",
            (10,),
            (None, 26, 26, 10),
            "rank differs",
            "`GlobalAveragePooling2D` before the last",
        ),
        ("binary_crossentropy", (1,), (None, 2), "axis 1, 1 against 2", "last layer 1 unit,"),
        ("binary_crossentropy", (8, 2), (None, 4, 2), "axis 1, 8 against 4", "{shape: [4, 2]}"),
    ],
)
def test_target_that_does_not_fit(
    loss: str, target: tuple[int, ...], output: tuple[Any, ...], words: str, hint: str
) -> None:
    error = explain_target(loss, target, output)
    assert error is not None
    assert words in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("loss", "target", "output"),
    [
        ("mse", (64, 8), (None, 64, 8)),
        ("mse", (64, 8), (None, None, 8)),
        ("sparse_categorical_crossentropy", (), (None, 8)),
        ("sparse_categorical_crossentropy", (1,), (None, 8)),
        ("SparseCategoricalCrossentropy", (64,), (None, 64, 8)),
        ("binary_crossentropy", (1,), (None, 1)),
        ("binary_crossentropy", (), (None, 1)),
        ("mse", (64, 1), (None, 64)),
    ],
)
def test_target_that_fits(loss: str, target: tuple[int, ...], output: tuple[Any, ...]) -> None:
    assert explain_target(loss, target, output) is None
