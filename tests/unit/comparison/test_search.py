"""A difference that the listed inputs hardly show is enlarged, and none is invented."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.comparison.examination import Examination
from layerlens.comparison.search import KEPT, LIMIT, search
from layerlens.numerics.differences import distance
from layerlens.numerics.probes import Probe
from layerlens.scenario.spec import InputSpec, LayerSpec
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

VECTOR = input_of(4)
TOKENS = input_of(5, dtype="int32", low=2, high=90)


def pair(one: LayerSpec, other: LayerSpec, given: InputSpec = VECTOR) -> Examination:
    return prepared(chain("one", one), chain("other", other), given)


def found(work: Examination, seed: int = 0, **more: Any) -> tuple[int, Probe] | None:
    sets = [(weights.reference, weights.candidate) for weights in work.sets]
    return search(work.reference, work.candidate, sets, work.domains, seed, **more)


def gap(work: Examination, position: int, probe: Probe) -> Any:
    weights = work.sets[position]
    one, other = (
        side.run(values, probe.inputs, "float64", "traced_dynamic").outputs[0]
        for side, values in (
            (work.reference, weights.reference),
            (work.candidate, weights.candidate),
        )
    )
    return distance(one, other)


def test_two_that_are_the_same_leave_nothing_to_be_found() -> None:
    assert found(pair(layer("ReLU"), layer("Activation", activation="relu"))) is None


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_limit_far_out_is_found_at_any_seed(seed: int) -> None:
    work = pair(layer("ReLU"), layer("ReLU", max_value=2e4))
    result = found(work, seed)
    assert result is not None
    assert gap(work, *result).max() > 1.0


def test_a_limit_out_of_reach_is_not_found() -> None:
    work = pair(layer("ReLU"), layer("ReLU", max_value=10 * LIMIT))
    assert found(work) is None


def test_one_weight_among_many_words_is_found() -> None:
    work = pair(
        layer("Embedding", input_dim=90, output_dim=2),
        layer("Embedding", input_dim=90, output_dim=2),
        TOKENS,
    )
    assert found(work) is None
    last = work.sets[-1]
    changed = last.candidate[0].copy()
    changed[57] += 1.0
    sets = [(last.reference, (changed,))]
    result = search(work.reference, work.candidate, sets, work.domains, 0)
    assert result is not None
    assert (result[1].inputs[0] == 57).any()


def test_what_is_found_stays_in_the_inputs_range_shape_and_dtype() -> None:
    work = pair(layer("Rescaling", scale=0.5), layer("Rescaling", scale=0.25), TOKENS)
    result = found(work)
    assert result is not None
    (tokens,) = result[1].inputs
    assert result[1].name == "search"
    assert tokens.shape == (KEPT, 5)
    assert tokens.dtype == np.int32
    assert tokens.min() >= 2
    assert tokens.max() < 90


def test_floats_stay_finite_and_in_reach() -> None:
    work = pair(layer("ReLU"), layer("Activation", activation="softplus"))
    result = found(work)
    assert result is not None
    (values,) = result[1].inputs
    assert values.dtype == np.float32
    assert np.abs(values).max() <= LIMIT


def test_the_weights_that_show_it_are_named() -> None:
    work = pair(layer("Dense", units=2), layer("Dense", units=2))
    first = work.sets[0]
    same, other = (
        (first.reference, first.candidate),
        (first.reference, (*first.candidate[:1], np.ones(2))),
    )
    result = search(work.reference, work.candidate, [same, other], work.domains, 0)
    assert result is not None
    assert result[0] == 1


def test_one_seed_is_one_search() -> None:
    work = pair(layer("ReLU"), layer("LeakyReLU"))
    one, again = (found(work, 5, generations=3) for _ in range(2))
    assert one is not None
    assert again is not None
    np.testing.assert_array_equal(one[1].inputs[0], again[1].inputs[0])
