from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.numerics.probes import generator
from layerlens.numerics.weight_values import WEIGHT_KINDS, WeightSlot, draw_weight, with_kept_state


def weight(path: str, *shape: int, kind: str = "drawn", dtype: str = "float32") -> Any:
    initial = np.zeros(shape)
    return draw_weight(WeightSlot(path, shape, dtype), initial, kind, generator(0, path, kind))


@pytest.mark.parametrize(
    "path",
    ["dense/kernel", "dense/bias", "lstm/lstm_cell/recurrent_kernel", "embedding/embeddings",
     "batch_normalization/beta", "batch_normalization/moving_mean", "p_re_lu/alpha"],
)  # fmt: skip
@pytest.mark.parametrize("kind", WEIGHT_KINDS)
def test_weights_are_moved_off_their_defaults_to_both_sides(path: str, kind: str) -> None:
    values = weight(path, 40, 30, kind=kind)
    assert values.shape == (40, 30)
    assert (values != 0).all()
    assert (values > 0).any()
    assert (values < 0).any()


def test_variances_are_positive_and_in_one_kind_next_to_nothing() -> None:
    path = "batch_normalization/moving_variance"
    for kind in ("drawn", "gentle", "strong"):
        values = weight(path, 500, kind=kind)
        assert values.min() > 0.01
        assert np.ptp(values) > 0.5
    degenerate = weight(path, 500, kind="degenerate")
    assert degenerate.min() == 0
    assert degenerate.max() <= 1e-3


def test_scales_stay_around_one() -> None:
    values = weight("layer_normalization/gamma", 500)
    assert abs(values.mean() - 1.0) < 0.1
    assert np.std(values) > 0.3


def test_kinds_have_spreads_of_their_own() -> None:
    spreads = [
        np.std(weight("dense/kernel", 100, 50, kind=kind)) for kind in ("gentle", "drawn", "strong")
    ]
    np.testing.assert_allclose(spreads, [0.03, 0.1, 0.3], rtol=0.1)


def test_counts_keep_their_value() -> None:
    initial = np.asarray([3], dtype="int64")
    slot = WeightSlot("normalization/count", (1,), "int64")
    assert draw_weight(slot, initial, "strong", generator(0)) is initial


def test_opposed_weights_are_the_large_ones_with_every_sign_turned() -> None:
    slot = WeightSlot("dense/kernel", (20, 10), "float32")
    large, opposed = (
        draw_weight(slot, np.zeros(slot.shape), kind, generator(0, "same"))
        for kind in ("large", "opposed")
    )
    np.testing.assert_array_equal(opposed, -large)


def test_lasting_weights_close_the_gate_that_forgets() -> None:
    def biases(kernel: tuple[int, ...], bias: tuple[int, ...]) -> Any:
        slots = [
            WeightSlot("rnn/cell/recurrent_kernel", kernel, "float32"),
            WeightSlot("rnn/cell/bias", bias, "float32"),
            WeightSlot("dense/bias", (2,), "float32"),
        ]
        drawn = [np.full(slot.shape, 0.5) for slot in slots]
        return list(with_kept_state(slots, drawn))

    simple, bias, other = biases((2, 2), (2,))
    assert simple.tolist() == np.eye(2).tolist()
    assert bias.tolist() == [0, 0]
    assert other.tolist() == [0.5, 0.5]
    kernel, lstm, _ = biases((2, 8), (8,))
    assert kernel.max() == pytest.approx(0.05)
    assert lstm.tolist() == [0, 0, 9, 9, 0, 0, 0, 0]
    assert biases((2, 6), (6,))[1].tolist() == [9, 9, 0, 0, 0, 0]
    assert biases((2, 6), (2, 6))[1].tolist() == [[9, 9, 0, 0, 0, 0], [0] * 6]
    assert biases((3, 3, 2, 8), (8,))[1].tolist() == [0, 0, 9, 9, 0, 0, 0, 0]
