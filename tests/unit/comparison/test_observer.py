from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.comparison.examination import AS_CALLED, DYNAMIC, Examination
from layerlens.comparison.observer import (
    MAX_OUTPUT,
    Interrupted,
    _both_refuse,
    _without_overflow,
)
from layerlens.models.execute.outcome import Outcome
from layerlens.numerics.arrays import Array
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import Probe, ProbeBatch, join
from layerlens.report.layers import ModelError
from layerlens.scenario.spec import LayerSpec
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

DENSE = layer("Dense", units=2)
REFUSED = Outcome(error=ModelError(None, "no", None))


def pair(one: LayerSpec, other: LayerSpec, *shape: int | None, **more: Any) -> Examination:
    return prepared(chain("one", one), chain("other", other), input_of(*shape), **more)


def batch_of(*arrays: Array) -> ProbeBatch:
    return join([Probe("given", arrays)])


def observed(examination: Examination, batch: ProbeBatch, *ways: Any) -> tuple[Observation, ...]:
    return examination.observer.observe(examination.main, batch, ways or DYNAMIC)


def test_one_observation_for_each_way_of_calling() -> None:
    examination = pair(DENSE, layer("Conv1D", filters=2, kernel_size=1), 4, 3)
    batch = batch_of(np.ones((5, 4, 3), "float32"))
    seen = observed(examination, batch, *AS_CALLED)
    assert [one.execution for one in seen] == list(AS_CALLED)
    for one in seen:
        assert one.weights == examination.main.kind
        assert one.exact
        assert one.reference[0].shape == one.candidate[0].shape == (5, 4, 2)
        assert (one.reference[0].dtype, one.reference64[0].dtype) == ("float32", "float64")
        np.testing.assert_allclose(one.reference64[0], one.candidate64[0], rtol=1e-12)
        assert len(one.noise) == 1


def test_a_refused_call_interrupts() -> None:
    examination = pair(DENSE, DENSE, 4, 3)
    with pytest.raises(Interrupted) as stop:
        observed(examination, batch_of(np.ones((5, 4, 7), "float32")))
    assert stop.value.refusal is not None
    assert (stop.value.refusal.model, stop.value.refusal.everywhere) == ("one", True)
    assert stop.value.refusal.input_shapes == ((5, 4, 7),)
    assert stop.value.surprise is None


def test_a_batch_that_both_refuse_may_be_skipped() -> None:
    examination = pair(DENSE, DENSE, 4, 3)
    batch = batch_of(np.ones((5, 4, 7), "float32"))
    seen = examination.observer.observe(examination.main, batch, DYNAMIC, outside_allowed=True)
    assert seen == ()


def test_outputs_of_different_shapes_interrupt() -> None:
    examination = pair(
        layer("MaxPooling1D", pool_size=2, padding="same"),
        layer("MaxPooling1D", pool_size=2, padding="valid"),
        None,
        3,
    )
    examination.observer.observe(examination.main, batch_of(np.ones((2, 4, 3), "f4")), DYNAMIC)
    with pytest.raises(Interrupted) as stop:
        observed(examination, batch_of(np.ones((2, 5, 3), "float32")))
    surprise = stop.value.surprise
    assert surprise is not None
    assert (surprise.reference, surprise.candidate) == (((2, 3, 3),), ((2, 2, 3),))


def test_outputs_that_depend_on_the_rest_of_the_batch() -> None:
    values = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")
    for training, depends in ((True, True), (False, False)):
        normal = layer("BatchNormalization")
        examination = pair(normal, normal, 3, training=training)
        (seen,) = observed(examination, batch_of(values))
        assert examination.observer.depends_on_batch(examination.main, seen) is depends


def test_seeded_outputs_are_random_in_training_alone() -> None:
    dropout = layer("Dropout", rate=0.5)
    assert pair(dropout, dropout, 3, training=True).observer.is_random
    assert not pair(dropout, dropout, 3).observer.is_random


def test_elements_that_overflow_anywhere_are_zero_everywhere() -> None:
    small = Outcome((np.array([1.0, 2.0, 3.0], "float32"),))
    large = Outcome((np.array([1.0, 2 * MAX_OUTPUT, np.nan], "float32"),))
    numbers = Outcome((np.array([1, 2, 3]),))
    kept = _without_overflow({("working", "eager"): (small, large)})
    for outcome in kept["working", "eager"]:
        assert outcome.outputs[0].tolist() == [1.0, 0.0, 0.0]
    (same, _) = _without_overflow({("working", "eager"): (numbers, numbers)})["working", "eager"]
    assert same.outputs[0].tolist() == [1, 2, 3]


def test_empty_outputs_count_as_refused() -> None:
    empty = Outcome((np.zeros((2, 0)),))
    full = Outcome((np.zeros((2, 1)),))
    assert _both_refuse((REFUSED, empty))
    assert not _both_refuse((REFUSED, full))
    assert not _both_refuse((full, empty))
