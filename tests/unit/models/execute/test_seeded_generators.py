"""The generators of Python and NumPy are seeded for a block and restored afterwards."""

from __future__ import annotations

import random

import numpy as np
import pytest

from layerlens.models.execute.seeded_generators import seeded_generators


def drawn() -> tuple[float, float]:
    return random.random(), float(np.random.random())


def test_the_same_seed_draws_the_same_numbers() -> None:
    draws = []
    for seed in (3, 3, 4):
        with seeded_generators(seed):
            draws.append(drawn())
    assert draws[0] == draws[1]
    assert draws[0][0] != draws[2][0]
    assert draws[0][1] != draws[2][1]


def test_the_state_is_restored_even_after_an_error() -> None:
    random.seed(1)
    np.random.seed(1)
    expected = drawn()
    random.seed(1)
    np.random.seed(1)
    with pytest.raises(ZeroDivisionError), seeded_generators(2**40):
        _ = drawn()[0] / 0
    assert drawn() == expected
