from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerlens.comparison.examination import DYNAMIC, Examination
from layerlens.comparison.pair import Pair
from layerlens.comparison.rounding import RoundingCheck, _greatest_size, _least_size
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import BASE_LENGTHS
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.variables import pair_model_weights
from layerlens.models.variants import ModelVariants
from layerlens.numerics.judge import Witness, is_rounding, judge
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.probes import Probe, join
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

VALUES = (np.arange(1, 9, dtype="float32") / 10).reshape(2, 4)


def scaled(*factors: float, offset: float = 0.0) -> list[Any]:
    return [layer("Rescaling", scale=factor, offset=offset) for factor in factors]


def observed(reference: list[Any], candidate: list[Any]) -> tuple[Examination, RoundingCheck]:
    models = chain("one", *reference), chain("other", *candidate)
    examination = prepared(*models, input_of(4))
    examination.observe(examination.main, join([Probe("given", (VALUES,))]), DYNAMIC)
    return examination, RoundingCheck(examination)


def test_an_offset_that_is_taken_off_again_is_rounding_inside() -> None:
    relu = layer("ReLU")  # keeps the graph from folding both offsets
    shifted = [*scaled(1 / 3, offset=3e6), relu, *scaled(1.0, offset=-3e6)]
    examination, rounding = observed(scaled(1 / 3), shifted)
    (seen,) = examination.observations
    nothing = np.zeros(VALUES.shape)
    examination.observations[0] = replace(seen, noise=(NoiseFloor(nothing, nothing),))
    assert not all(map(is_rounding, examination.observations))
    assert rounding.measure_inner_rounding()
    assert all(map(is_rounding, examination.observations))
    assert not rounding.measure_inner_rounding()  # there is nothing left to measure


def test_a_real_difference_is_not_rounding_inside() -> None:
    examination, rounding = observed(scaled(1.0), scaled(1.01))
    rounding.measure_inner_rounding()
    assert judge(examination.observations).verdict == "different"


def test_agreeing_outputs_are_not_measured() -> None:
    examination, rounding = observed(scaled(0.5), scaled(0.5))
    before = list(examination.observations)
    assert not rounding.measure_inner_rounding()
    assert not rounding.measure_constants()
    assert examination.observations == before
    assert rounding.measure_inner_rounding_of(before[0])


def test_one_observation_can_be_measured_by_itself() -> None:
    examination, rounding = observed(scaled(1.0), scaled(1.01))
    (seen,) = examination.observations
    assert rounding.measure_inner_rounding_of(seen)
    assert not rounding.measure_inner_rounding_of(seen)
    assert np.ndim(examination.observations[0].noise[0].inner)


def with_alphas(*alphas: float) -> tuple[Examination, RoundingCheck]:
    """Observe two ELU layers that can be built again with other numbers."""
    models = {
        name: [{"Rescaling": -1.0}, {"ELU": {"alpha": alpha}}]
        for name, alpha in zip(("one", "other"), alphas, strict=True)
    }
    (scenario,) = scenario_from_mapping({"input": {"shape": [4]}, "models": models})
    variants = ModelVariants(scenario, RunOptions())
    one, other = variants.build_all().values()
    assert isinstance(one, Built)
    assert isinstance(other, Built)
    pair = Pair(scenario, one, other, "inference", 0, variants)
    examination = Examination(*pair.sides(), pair_model_weights(one, other, "auto"), 0)
    examination.prepare(BASE_LENGTHS[0])
    examination.observe(examination.main, join([Probe("given", (VALUES,))]), DYNAMIC)
    return examination, RoundingCheck(examination)


def test_constants_rounded_to_float32_agree() -> None:
    examination, rounding = with_alphas(0.1, float(np.float32(0.1)))
    assert not all(map(is_rounding, examination.observations))
    assert rounding.measure_constants()
    (seen,) = examination.observations
    np.testing.assert_array_equal(seen.reference64[0], seen.candidate64[0])
    assert is_rounding(seen)


def test_constants_that_differ_by_more_stay_different() -> None:
    examination, rounding = with_alphas(0.1, 0.1001)
    assert rounding.measure_constants()
    assert not all(map(is_rounding, examination.observations))


@pytest.mark.parametrize(("offset", "absorbs"), [(1e9, True), (10.0, False)])
def test_a_large_constant_may_absorb_small_inputs(offset: float, absorbs: bool) -> None:
    examination, rounding = observed(scaled(1.0), scaled(1.0, offset=offset))
    witness = Witness(examination.observations[0], 0, (0, 0))
    assert rounding.may_absorb(witness) is absorbs


@pytest.mark.parametrize(("change", "confirmed"), [(1.0, True), (0.0, False)])
def test_an_inconsistent_model_has_to_be_so_in_float64(
    monkeypatch: pytest.MonkeyPatch, change: float, confirmed: bool
) -> None:
    examination, rounding = observed(scaled(0.5), scaled(0.5))
    seen = examination.observations[0]
    again = Outcome((seen.reference64[0] + change,))
    monkeypatch.setattr(examination.reference, "run", lambda *given, **how: again)
    witness = Witness(seen, 0, (0, 0), inconsistent="reference")
    assert rounding.confirms(witness) is confirmed


def test_sizes_leave_out_zeros_and_what_is_not_finite() -> None:
    array = np.array([0.0, -0.25, 3.0, np.inf, np.nan])
    assert (_least_size(array), _greatest_size(array)) == (0.25, 3.0)
    assert (_least_size(np.zeros(2)), _greatest_size(np.zeros(2))) == (1.0, 0.0)
    assert _greatest_size(np.array(["a"], dtype=object)) == 0.0
