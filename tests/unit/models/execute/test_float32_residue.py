"""Constants and computations that stay float32 in a float64 model are found in its graph."""

from __future__ import annotations

import numpy as np
import pytest

from layerlens.models.execute.float32_residue import float32_residue
from layerlens.scenario.spec import LayerSpec
from tests.unit.models.execute.runners import runner
from tests.unit.tables.pairs import chain, layer

pytestmark = pytest.mark.usefixtures("backend")

X = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")


@pytest.mark.parametrize(
    ("one", "rounds"),
    [
        (layer("LeakyReLU", negative_slope=0.3), True),
        (layer("LeakyReLU", negative_slope=0.25), False),
        (layer("Dense", units=3, activation="tanh"), False),
    ],
)
def test_what_is_rounded_to_float32_in_float64_is_named(one: LayerSpec, rounds: bool) -> None:
    double = runner(chain("m", one), precision="float64")
    residue = float32_residue(double.concrete([X]), ())
    assert bool(residue.constants or residue.computed) is rounds


def test_a_number_as_it_was_written_was_not_rounded() -> None:
    scale = 1.0 + 2.0**-20
    double = runner(chain("m", layer("Rescaling", scale=scale)), precision="float64")
    assert float32_residue(double.concrete([X]), ()).constants
    assert not float32_residue(double.concrete([X]), {scale}).constants
