"""Overflow and underflow in half precision are seen; rounding is not."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from layerlens.models.execute.range_events import watching_ranges

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize(
    ("dtype", "value", "factor", "overflowed", "underflowed"),
    [
        ("float16", 300.0, 300.0, True, False),
        ("float16", 1e-4, 1e-4, False, True),
        ("float16", 1.1, 1.1, False, False),
        ("float16", 0.0, 1.0, False, False),
        ("bfloat16", 1e30, 1e30, True, False),
        ("float32", 1e30, 1e30, False, False),
        ("float16", float("inf"), 2.0, False, False),
    ],
)
def test_products_out_of_range_are_seen(
    dtype: Any, value: float, factor: float, overflowed: bool, underflowed: bool
) -> None:
    one, other = tf.constant([value], dtype), tf.constant([factor], dtype)
    with watching_ranges() as events:
        tf.multiply(one, other)
    assert (events.overflowed, events.underflowed) == (overflowed, underflowed)
    assert events.any is (overflowed or underflowed)


def test_a_cast_may_overflow_and_nothing_is_seen_afterwards() -> None:
    large = tf.constant([1e6])
    with watching_ranges() as events:
        tf.cast(large, "float16")
    assert events.overflowed
    with watching_ranges() as quiet:
        pass
    tf.cast(large, "float16")
    assert not quiet.any
