from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from layerlens.numerics.noise_floor import (
    ROUNDOFF32,
    ROUNDOFF64,
    ROUNDOFFS,
    NoiseFloor,
    floor_without_float64,
    noise_floor,
    with_sums_in_order,
)

NAN, INF = math.nan, math.inf


def floor_of(doubles: Any, workings: Any, moved: Any = None, scale: float = 0.0) -> NoiseFloor:
    sensitivity = np.zeros(doubles.shape) if moved is None else moved
    return noise_floor([doubles], [workings], [sensitivity], np.asarray(scale))


def test_a_large_output_does_not_raise_the_floor_of_a_small_one() -> None:
    outputs = np.asarray([[1e6, 1e-3]])
    floor = floor_of(outputs, outputs)
    large, small = floor.float64[0]
    assert large == ROUNDOFF64 * 1e6
    assert small == ROUNDOFF64 * 1e-3
    assert floor.ground == ROUNDOFF64 * 1e6  # of what may have been added and taken away again


def test_a_large_sample_does_not_raise_the_floor_of_another() -> None:
    outputs = np.asarray([[1e6, 1.0], [1e-3, 1e-3]])
    ground = np.broadcast_to(floor_of(outputs, outputs).ground, outputs.shape)
    assert ground[0, 1] == ROUNDOFF64 * 1e6
    assert ground[1, 0] == ROUNDOFF64  # never below what layers add and subtract inside


def test_the_ground_is_as_large_as_the_inputs() -> None:
    outputs = np.asarray([[0.5, 0.5]])
    assert floor_of(outputs, outputs, scale=100.0).ground == ROUNDOFF64 * 100.0
    assert floor_of(outputs, outputs).ground == ROUNDOFF64


def test_the_amplification_seen_in_working_precision_holds_for_float64() -> None:
    double = np.asarray([[1.0, 2.0]])
    off = double + np.asarray([[8 * ROUNDOFF32, 0.0]])
    exact, amplified = floor_of(double, double), floor_of(double, off)
    assert exact.float64.tolist() == [[ROUNDOFF64, 2 * ROUNDOFF64]]
    assert amplified.float64.tolist() == [[8 * ROUNDOFF64, 16 * ROUNDOFF64]]


def test_what_inputs_move_raises_the_floor() -> None:
    double = np.asarray([[1.0, 1.0]])
    moved = floor_of(double, double, np.asarray([[0.0, 99.0]]))
    assert moved.float64.tolist() == [[ROUNDOFF64, 100 * ROUNDOFF64]]


def test_the_greater_of_both_models_sets_the_floor() -> None:
    one, other = np.asarray([[1.0]]), np.asarray([[64.0]])
    nothing = [np.zeros((1, 1))] * 2
    floor = noise_floor([one, other], [one, other], nothing, np.asarray(0.0))
    assert floor.float64.tolist() == [[64 * ROUNDOFF64]]


def test_what_is_not_finite_does_not_widen_the_floor() -> None:
    double = np.asarray([[1.0, NAN, INF]])
    working = np.asarray([[1.0, 1.0, 2.0]])
    floor = floor_of(double, working, np.asarray([[INF, NAN, 1.0]]))
    assert np.isfinite(floor.float64).all()
    assert floor.float64[0, 0] == ROUNDOFF64


def test_short_sums_do_not_widen_the_floor() -> None:
    value = np.array([[1.0]])
    floor = noise_floor((value,), (value,), (value,), np.ones((1, 1)))
    assert with_sums_in_order(floor, 128).working == floor.working
    assert with_sums_in_order(floor, 12800).working == 10 * floor.working


@pytest.mark.parametrize(("unit", "units"), [(ROUNDOFF32, 2.0**5), (ROUNDOFFS["float16"], 2.0**2)])
def test_without_float64_a_few_units_of_the_coarser_precision_are_rounding(
    unit: float, units: float
) -> None:
    double = np.asarray([[2.0, 1.0]])
    given = [double], [double + 0.5 * unit], [np.zeros((1, 2))], np.asarray(0.0)
    floor = floor_without_float64(noise_floor(*given, unit=unit), unit)
    # A measured error of half a unit, in the precision itself, does not raise the floor.
    assert np.asarray(floor.working).tolist() == [[4 * unit, 3 * unit]]
    assert (2.0**9 * np.asarray(floor.float64)).tolist() == [[units * 4 * unit, units * 3 * unit]]
    assert floor.ground == 0.0
