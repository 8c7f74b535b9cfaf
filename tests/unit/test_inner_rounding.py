"""What rounding inside a model leaves is measured, and held apart from what the model computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pairs import chain, input_of, layer, needs_backend, prepared

from layerlens.comparing import UNIT64

pytestmark = needs_backend


def effect(*layers: Any, value: float = 1e-14) -> tuple[Any, Any]:
    """Return a chain's greatest float64 output, and how far rounding inside moves it."""
    work = prepared(chain("a", *layers), chain("b", *layers), input_of(12))
    side, values = work.reference, work.main_values()[0]
    rows = value * np.random.default_rng(0).standard_normal((3, 12))
    inputs = [rows.astype("float32")]
    base = side.run(values, inputs, "float64", "traced_dynamic")
    moved = side.inner_rounding(values, inputs, base.outputs)
    assert moved is not None
    return np.abs(base.outputs[0]).max(), UNIT64 * moved[0].max()


def shift(offset: float) -> Any:
    return layer("Rescaling", scale=1.0, offset=offset)


def test_a_value_that_a_large_offset_absorbs_is_rounding() -> None:
    size, noise = effect(shift(180.0), layer("LayerNormalization", center=False))
    assert noise > size


def test_without_the_offset_next_to_nothing_is() -> None:
    size, noise = effect(layer("LayerNormalization", center=False))
    assert noise < 1e-14 * size


def test_what_is_added_and_taken_off_again_leaves_its_rounding() -> None:
    _, noise = effect(shift(1000.0), shift(-1000.0))
    assert 1e-14 < noise < 1e-12


def test_an_exact_result_is_not_moved_off_what_a_layer_looks_for() -> None:
    """All steps stay masked: nothing but exact results reaches the mask value."""
    size, noise = effect(
        layer("Reshape", target_shape=[4, 3]),
        layer("Rescaling", scale=2.0, offset=0.5),
        layer("Masking", mask_value=0.5),
        layer("GRU", units=2),
        value=0.0,
    )
    assert size == 0.0
    assert noise == 0.0


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_loops_round_at_every_step(kind: str) -> None:
    size, noise = effect(
        layer("Reshape", target_shape=[4, 3]), layer(kind, units=2, unroll=False), value=1.0
    )
    assert 1e-17 * size < noise < 1e-13 * size


@pytest.mark.parametrize(
    ("offset", "verdict"), [(1e4, "equivalent"), (10000.5, "different")], ids=["there", "off"]
)
def test_rounding_that_a_layer_makes_large_is_no_difference(offset: float, verdict: str) -> None:
    """A unit norm makes 1e12 of 1, so that what an offset absorbs shows in hundredths."""
    import keras

    import layerlens

    def model(added: float, taken: float) -> Any:
        start = keras.Input((6,))
        norm = keras.layers.UnitNormalization()
        return keras.Model(start, norm((start + added) - taken))

    models = {"plain": model(0.0, 0.0), "shifted": model(1e4, offset)}
    (pair,) = layerlens.compare(models).scenarios[0].pairs
    assert pair.verdict == verdict
