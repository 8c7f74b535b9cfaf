from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from layerlens.comparison.examination import Examination
from layerlens.comparison.half_precision import RangeCheck
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import Probe, join

BASE = np.array([[1.0, 2.0], [3.0, 4.0]])
INFINITE = np.array([[1.0, 2.0], [3.0, np.inf]])
LOST = np.array([[1.0, 2.0], [0.0, 0.0]])


def observation(candidate: Any, size: float = 1.0) -> Observation:
    """Outputs that agree in float64; the reference's working precision agrees with it."""
    batch = join([Probe("normal", (np.full((2, 2), size, "float32"),))])
    floor = NoiseFloor(np.zeros((2, 2)), np.zeros((2, 2)))
    works = (BASE.astype("float32"),), (np.asarray(candidate, "float32"),)
    return Observation("drawn", "eager", batch, *works, (BASE,), (BASE,), (floor,))


def check(
    *seen: Observation,
    dtypes: tuple[str, str] = ("float32", "float16"),
    is_random: bool = False,
    leaves: bool = True,
) -> RangeCheck:
    """Return a check of two models that round nothing inside."""
    one, other = (
        SimpleNamespace(name=name, coarsest_dtype=dtype, leaves_range=lambda values, inputs: leaves)
        for name, dtype in zip(("one", "other"), dtypes, strict=True)
    )
    examination = SimpleNamespace(
        reference=one,
        candidate=other,
        observations=list(seen),
        observer=SimpleNamespace(is_random=is_random),
        inner_rounding=lambda seen, everywhere: [(np.zeros((2, 2)),)],
        weights_of=lambda seen: SimpleNamespace(reference=(), candidate=()),
    )
    return RangeCheck(cast(Examination, examination))


def test_an_infinity_in_half_precision_is_out_of_range() -> None:
    found = check(observation(BASE), observation(INFINITE)).find_out_of_range()
    assert found is not None
    witness, sentence = found
    assert witness.index == (1, 1)
    assert sentence.startswith("`other` leaves the range of half precision where `one` does not")
    assert "inf against 4" in sentence


@pytest.mark.parametrize("leaves", [True, False])
def test_a_finite_difference_counts_where_the_model_underflows(leaves: bool) -> None:
    found = check(observation(LOST), leaves=leaves).find_out_of_range()
    assert (found is not None) is leaves


def test_nothing_is_out_of_range_without_half_precision_or_a_difference() -> None:
    full = ("float32", "float32")
    assert check(observation(INFINITE), dtypes=full).find_out_of_range() is None
    assert check(observation(BASE)).find_out_of_range() is None
    assert check(observation(INFINITE), is_random=True).find_out_of_range() is None


def test_large_inputs_may_overflow() -> None:
    large = observation(INFINITE, size=1e6)
    (kept,) = check(large).observations()
    assert kept.candidate[0].tolist() == [[1.0, 2.0], [3.0, 0.0]]
    assert kept.reference[0].tolist() == [[1.0, 2.0], [3.0, 0.0]]
    (same,) = check(large, dtypes=("float32", "float32")).observations()
    assert same is large


def test_overflow_of_one_model_alone_is_found() -> None:
    assert check(observation(INFINITE)).overflows()
    assert not check(observation(BASE)).overflows()
    both = replace(observation(INFINITE), reference=(INFINITE.astype("float32"),))
    assert not check(both).overflows()
