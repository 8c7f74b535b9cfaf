from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from layerlens.comparison.examination import Examination
from layerlens.comparison.half_precision import RangeCheck, converts_alone
from layerlens.comparison.pair import Pair
from layerlens.models.build.request import Built
from layerlens.models.execute.variables import pair_model_weights
from layerlens.models.variants import ModelVariants
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import Probe, join
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

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


def sides(*formulas: str) -> Examination:
    """Return an examination of two models, each with its float64 form."""
    inputs = {"shape": [4]}
    models = {
        name: {
            "python": "tests.traps.written_out:model",
            "args": {"formula": formula, "inputs": [inputs]},
        }
        for name, formula in zip(("one", "other"), formulas, strict=True)
    }
    (scenario,) = scenario_from_mapping({"input": inputs, "models": models}, "half")
    variants = ModelVariants(scenario, RunOptions(allow_code=True))
    one, other = variants.build_all().values()
    pair = Pair(scenario, one, other, "inference", 0, variants)
    assert isinstance(one, Built)
    assert isinstance(other, Built)
    return Examination(*pair.sides(), pair_model_weights(one, other, "auto"), 0)


HALF_LAYER = "L.Dense(3, dtype='mixed_float16')"


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("one", "other", "alone"),
    [
        ("L.Dense(3)(K.cast(x, 'float16'))", f"{HALF_LAYER}(x)", True),
        (f"{HALF_LAYER}(K.cast(x, 'bfloat16'))", f"{HALF_LAYER}(x)", True),
        (f"{HALF_LAYER}(K.cast(x, 'float16'))", f"{HALF_LAYER}(x)", False),
        ("L.Dense(3)(K.cast(x, 'float16'))", "L.Dense(3)(x)", False),  # no layer computes in it
    ],
)
def test_conversions_of_one_model_alone_are_found_beside_half_precision(
    one: str, other: str, alone: bool
) -> None:
    assert converts_alone(sides(one, other)) is alone
