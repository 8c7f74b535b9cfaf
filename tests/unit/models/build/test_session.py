"""Keras work runs as in a new process, and the process stays as it was."""

from __future__ import annotations

import random
import sys
import threading

import keras
import numpy as np
import pytest

from layerlens.errors import ScenarioError
from layerlens.models.build.session import in_fresh_session
from tests.unit.models.build.models import SEQUENCE, build, chain
from tests.unit.tables.every_layer import layer


def test_names_and_weights_are_those_of_a_fresh_session() -> None:
    spec = chain(
        layer("GRU", units=16, return_sequences=True, reset_after=False),
        layer("TimeDistributed", layer=layer("Dense", units=15)),
        layer("Dense", units=2),
    )
    keras.layers.GRU(2)  # counts in the caller's session only
    for _ in range(2):
        built = build(spec, SEQUENCE)
        names = [row.name for row in built.report.layers]
        assert names == ["gru", "time_distributed", "dense_1"]
        assert built.model.weights[3].path == "time_distributed/dense/kernel"
        assert built.report.params == 1_791 + 32


def test_the_process_is_left_as_it_was() -> None:
    named = keras.layers.Dense(1).name
    policy = keras.config.dtype_policy().name
    state = random.getstate()
    numbers = np.random.get_state()[1].tolist()
    build(chain(layer("Dense", units=3), layer("Dropout", rate=0.5), dtype="mixed_float16"))
    assert random.getstate() == state
    assert np.random.get_state()[1].tolist() == numbers
    following = keras.layers.Dense(1).name
    counts = [int(name.removeprefix("dense").lstrip("_") or 0) for name in (named, following)]
    assert counts[1] - counts[0] == 1
    assert keras.config.dtype_policy().name == policy


def test_the_seed_decides_the_initial_weights() -> None:
    kernels = [
        build(chain(layer("Dense", units=3)), seed=seed).model.weights[0] for seed in (1, 1, 2)
    ]
    first, again, other = (kernel.numpy() for kernel in kernels)
    assert (first == again).all()
    assert (first != other).any()


def test_an_error_is_raised_in_the_caller_and_changes_nothing() -> None:
    random.seed(7)
    state = random.getstate()
    with pytest.raises(ScenarioError):
        build(chain(layer("Dense", units=3), weights={"nothing": [1]}))
    assert random.getstate() == state
    assert build(chain(layer("Dense", units=3))).report.layers[0].name == "dense"


def test_a_very_deep_model_is_built() -> None:
    limit = sys.getrecursionlimit()
    built = build(chain(*[layer("ReLU")] * 1200), allocate=False)
    assert len(built.report.layers) == 1200
    assert sys.getrecursionlimit() == limit


def test_the_result_or_the_error_of_the_work_is_that_of_the_session() -> None:
    assert in_fresh_session(lambda: threading.current_thread().name, 0) == "layerlens-session"
    with pytest.raises(SystemExit):
        in_fresh_session(lambda: sys.exit(3), 0)


def test_a_session_inside_a_session_does_not_wait_for_itself() -> None:
    assert in_fresh_session(lambda: in_fresh_session(lambda: 1, 0) + 1, 0) == 2
