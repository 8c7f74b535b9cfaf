"""Step replacement on plain NumPy functions in the place of a layer's call."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from layerlens.dependence.mixing import SeenMap
from layerlens.dependence.step_replacement import (
    FEATURES,
    NotMeasurable,
    Setting,
    StepReplacement,
)
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.layer_calls import Subject
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain
from layerlens.scenario.spec import InputSpec

STEPS, WIDTH = 6, 3
RUNNER = SimpleNamespace(built=SimpleNamespace(precision="float64"), reset_states=lambda seed: None)
SETTING = Setting(cast(KerasRunner, RUNNER), seed=0, blanks=(0.0,))


def replacement_of(
    function: Callable[[Array], Array], *, is_alone: bool = False, **how: Any
) -> StepReplacement:
    given, returned = (SimpleNamespace(shape=(None, STEPS, WIDTH)) for _ in range(2))
    subject = Subject(
        inputs=(given,),
        outputs=(returned,),
        masks=(),
        call=lambda arrays: [function(arrays[id(given)])],
        stepped=((True,), (how.pop("has_steps", True),)),
        is_stateful=False,
        batch_size=how.pop("batch_size", None),
        weights=frozenset(),
    )
    shape = how.pop("shape", (STEPS, WIDTH))
    domain = Domain(InputSpec("input", shape), shape)
    return StepReplacement(SETTING, subject, (domain,), "own", is_alone)


def map_of(replacement: StepReplacement, axis: int | None = 1) -> SeenMap:
    ((target, (seen, _)),) = replacement.maps(0, axis)
    assert target == 0
    return seen


def test_a_running_sum_sees_its_own_and_earlier_steps() -> None:
    seen = map_of(replacement_of(lambda x: x.cumsum(axis=1)))
    assert np.array_equal(seen, np.tril(np.ones((STEPS, STEPS), dtype=bool)))


def test_each_step_alone_across_steps_and_features() -> None:
    doubled = replacement_of(lambda x: 2.0 * x)
    assert np.array_equal(map_of(doubled), np.eye(STEPS, dtype=bool))
    assert np.array_equal(map_of(doubled, FEATURES), np.eye(WIDTH, dtype=bool))
    summed = replacement_of(lambda x: x + x.sum(axis=-1, keepdims=True))
    assert map_of(summed, FEATURES).all()


def test_an_output_without_steps_is_one_row() -> None:
    last = replacement_of(lambda x: x[:, -1], has_steps=False)
    assert map_of(last).tolist() == [[False] * (STEPS - 1) + [True]]


def test_a_maximum_hides_no_step() -> None:
    assert map_of(replacement_of(lambda x: x.max(axis=1), has_steps=False)).all()


def test_a_fixed_batch_size_is_kept_and_changes_nothing() -> None:
    sizes = set()

    def summed(x: Array) -> Array:
        sizes.add(len(x))
        return x.cumsum(axis=1)

    seen = map_of(replacement_of(summed, batch_size=4))
    assert np.array_equal(seen, np.tril(np.ones((STEPS, STEPS), dtype=bool)))
    assert sizes == {4}


def test_batch_effects_tell_randomness_from_coupling() -> None:
    rng = np.random.default_rng(0)
    assert replacement_of(lambda x: 2.0 * x).batch_effects() == (False, False)
    coupled = replacement_of(lambda x: x - x.mean(axis=0))
    assert coupled.batch_effects() == (False, True)
    noisy = replacement_of(lambda x: x + rng.standard_normal(x.shape))
    assert noisy.batch_effects() == (True, False)


def test_a_coupled_output_is_measured_one_sample_at_a_time() -> None:
    def centred(x: Array) -> Array:
        return x - x.mean(axis=0)

    assert map_of(replacement_of(centred)).shape == (STEPS, STEPS)
    alone = map_of(replacement_of(centred, is_alone=True))
    assert np.array_equal(alone, np.eye(STEPS, dtype=bool))


def test_an_output_that_differs_at_every_call_is_not_measurable() -> None:
    rng = np.random.default_rng(0)
    noisy = replacement_of(lambda x: x + rng.standard_normal(x.shape), is_alone=True)
    with pytest.raises(NotMeasurable, match="changes at every call"):
        map_of(noisy)


def test_inputs_too_large_for_one_batch_are_not_measurable() -> None:
    wide = replacement_of(lambda x: x, shape=(STEPS, 100_000_000))
    with pytest.raises(NotMeasurable, match="numbers at once"):
        map_of(wide)
