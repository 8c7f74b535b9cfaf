"""What rounding inside a model leaves is measured, and held apart from what the model computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import layerlens
from layerlens.numerics.noise_floor import ROUNDOFF64
from layerlens.report.pairs import PairReport
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, prepared

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
    return np.abs(base.outputs[0]).max(), ROUNDOFF64 * moved[0].max()


def shift(offset: float) -> Any:
    return layer("Rescaling", scale=1.0, offset=offset)


def test_a_value_that_a_large_offset_absorbs_is_rounding() -> None:
    size, noise = effect(shift(180.0), layer("LayerNormalization", center=False))
    assert noise >= size


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


def _model(function: Callable[[Any], Any], *shape: int) -> Any:
    start = keras.Input(shape or (6,))
    return keras.Model(start, function(start))


def _unit_norm(tensor: Any) -> Any:
    return keras.layers.UnitNormalization()(tensor)


def _sharp_norm(tensor: Any) -> Any:
    return keras.layers.LayerNormalization(epsilon=1e-12)(tensor)


def _around_mean(tensor: Any) -> Any:
    return tensor - keras.ops.mean(tensor, axis=-1, keepdims=True)


def _per_step(tensor: Any) -> Any:
    return keras.layers.TimeDistributed(keras.layers.LayerNormalization(epsilon=1e-12))(tensor)


def _own_layer(by: float) -> Any:
    class Shift(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return (inputs + by) - by

    return Shift()


#: Pairs that are one function; what the offset of the second absorbs is made large again.
ABSORBED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], tuple[int, ...]]] = {
    "taken_off_again": (_unit_norm, lambda x: _unit_norm((x + 1e4) - 1e4), (6,)),
    "mean": (
        lambda x: _unit_norm(_around_mean(x)),
        lambda x: _unit_norm(_around_mean(x + 1e4)),
        (6,),
    ),
    "layer_norm": (_sharp_norm, lambda x: _sharp_norm(x + 200.0), (6,)),
    "own_layer": (_unit_norm, lambda x: _unit_norm(_own_layer(1e4)(x)), (6,)),
    "per_step": (_per_step, lambda x: _per_step(x + 200.0), (5, 4)),
}


@pytest.mark.parametrize("name", ABSORBED)
def test_rounding_that_a_layer_makes_large_is_no_difference(name: str) -> None:
    """A unit norm makes 1e12 of 1, so that what an offset absorbs shows in hundredths."""
    one, other, shape = ABSORBED[name]
    pair = _compared(_model(one, *shape), _model(other, *shape))
    assert pair.verdict == "equivalent"


def test_an_offset_that_leaves_no_digit_is_a_difference() -> None:
    """In exact arithmetic both are the same, and eager calls return 0."""
    pair = _compared(_model(_unit_norm, 6), _model(lambda x: _unit_norm((x + 1e20) - 1e20), 6))
    assert pair.verdict == "different"
    assert "when called eagerly" in pair.explanation


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_unit_norm, lambda x: _unit_norm((x + 1e4) - 10000.5)),
        (lambda x: 2.0 * x, lambda x: (x + 1e20) - 1e20),
        (lambda x: _unit_norm(_around_mean(x)), lambda x: _unit_norm(_around_mean(x * x + 1e4))),
    ],
    ids=["another_offset", "another_slope", "another_power"],
)
def test_a_difference_beside_what_an_offset_absorbs_is_found(one: Any, other: Any) -> None:
    assert _compared(_model(one), _model(other)).verdict == "different"


def test_numbers_that_operations_are_called_with_are_tried() -> None:
    one = _model(lambda x: 1.0 * x)
    other = _model(lambda x: keras.ops.minimum(x, 1e20))
    assert _compared(one, other).verdict == "different"


def _compared(one: Any, other: Any) -> PairReport:
    (pair,) = layerlens.compare(one, other).scenarios[0].pairs
    return pair
