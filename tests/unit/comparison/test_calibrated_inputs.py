"""Inputs for a quantised file keep the results of all layers inside the calibrated ranges."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from layerlens.comparison.calibrated_inputs import calibrated_inputs
from layerlens.models.execute.side import Side
from layerlens.models.runtimes.foreign import Step
from tests.unit.models.execute.runners import runner
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")
IN, OUT = (4, 4, 2), (2,)


def chosen(steps: tuple[Step, ...]) -> tuple[Any, Any]:
    """Return the inputs for a mean over pixels, and its results."""
    built = runner(chain("m", layer("GlobalAveragePooling2D")), input_of(*IN)).built
    side = Side.of("m", built, training=False, seed=0)
    foreign: Any = SimpleNamespace(runtime=SimpleNamespace(steps=steps))
    (given,) = calibrated_inputs(side, foreign, 0).inputs
    return given, given.mean(axis=(1, 2))


def test_inputs_use_the_whole_range_where_that_fits() -> None:
    given, _ = chosen((Step(IN, 0.02, -2.5, 2.5), Step(OUT, 0.02, -2.5, 2.5)))
    assert 1.0 < np.abs(given).max() <= 2.5


def test_samples_with_results_outside_are_left_out() -> None:
    given, results = chosen((Step(IN, 0.02, -2.5, 2.5), Step(OUT, 0.001, -0.1, 0.1)))
    assert len(given) > 4
    assert np.abs(results).max() <= 0.1 + 0.001


def test_ranges_that_nothing_fits() -> None:
    given, _ = chosen((Step(IN, 0.02, -2.5, 2.5), Step(OUT, 0.001, 7.0, 8.0)))
    assert len(given)
