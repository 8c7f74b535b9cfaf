"""Lengths are tried past what layers look across, as far as memory and time allow."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.execute import lengths
from layerlens.models.execute.lengths import affordable, far_lengths, is_stepwise
from layerlens.models.execute.receptive_field import ReceptiveField
from layerlens.scenario.spec import LayerSpec
from tests.unit.models.execute.test_receptive_field import field_of
from tests.unit.tables.pairs import layer

pytestmark = pytest.mark.usefixtures("backend")


def conv(rate: int, **more: Any) -> ReceptiveField:
    return field_of(dilated(rate, **more))


def dilated(rate: int, **more: Any) -> LayerSpec:
    arguments = {"filters": 1, "kernel_size": 2, "padding": "causal", **more}
    return layer("Conv1D", dilation_rate=rate, **arguments)


def test_no_length_is_far_where_the_shorter_ones_reach_past_the_layers() -> None:
    assert far_lengths([conv(1), conv(8)], 11).tries == ()


def test_the_length_goes_past_what_either_model_looks_across() -> None:
    (far,) = far_lengths([conv(800), conv(900)], 11).tries
    assert far.lengths == {1: 903}
    assert far.kinds == far.samples == lengths.MOST_KINDS


def test_a_length_beyond_memory_is_cut_and_the_shortfall_is_reported() -> None:
    reach = far_lengths([conv(10**9)], 11)
    assert reach.shortfall == {1: 10**9 + 1}
    assert reach.tries == ()  # zeros for the dilation alone do not fit
    pooled = field_of(layer("MaxPooling1D", pool_size=10**9, strides=1, padding="same"))
    (far,) = far_lengths([pooled], 11).tries
    assert 1_000 < far.longest < 10**6
    assert far_lengths([pooled], 11).shortfall == {1: 10**9}


def test_recurrent_layers_go_a_bounded_number_of_steps() -> None:
    far = [field_of(dilated(rate), layer("LSTM", units=2)) for rate in (5_000, 50_000)]
    assert far_lengths(far[:1], 11).shortfall == {}
    assert far_lengths(far[1:], 11).shortfall == {1: 50_001}
    assert is_stepwise(far[0])
    assert not is_stepwise(conv(9))


def test_axes_are_far_together_where_that_is_affordable_and_alone_where_not() -> None:
    def image(rate: Any) -> ReceptiveField:
        one = layer("Conv2D", filters=1, kernel_size=2, padding="same", dilation_rate=rate)
        return field_of(one, shape=(None, None, 1))

    (far,) = far_lengths([image([300, 1])], 11).tries
    assert far.lengths == {1: 303, 2: lengths.NEAR}
    (both,) = far_lengths([image(300)], 11).tries
    assert both.lengths == {1: 303, 2: 303}
    reach = far_lengths([image(30_000)], 11)
    assert [dict(one.lengths) for one in reach.tries] == [
        {1: 30_003, 2: lengths.NEAR},
        {1: lengths.NEAR, 2: 30_003},
    ]
    assert reach.shortfall == {1: 30_001, 2: 30_001}  # no sample has both at their length


def test_the_scores_of_attention_are_counted() -> None:
    import keras

    from tests.unit.models.execute.test_receptive_field import of_function

    def attended(x: Any) -> Any:
        return keras.layers.MultiHeadAttention(4, 2)(x, x)

    one = of_function(attended, None, 2)
    assert affordable([one], {1: 500})
    assert not affordable([one], {1: 20_000})
    assert affordable([conv(1)], {1: 20_000})


def test_there_is_less_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "free_memory", lambda: 100_000)
    assert far_lengths([conv(800)], 11).shortfall == {1: 801}
