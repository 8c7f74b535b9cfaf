"""Weights are compared as they were saved, and the models keep them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

import layerlens
from layerlens.report.pairs import PairReport

pytestmark = pytest.mark.usefixtures("backend")


def dense(units: int = 3, seed: int = 0, activation: str | None = None) -> Any:
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(units, activation)]
    return keras.Sequential([keras.Input((4,)), *layers])


def compared(one: Any, other: Any, **options: Any) -> PairReport:
    report = layerlens.compare(one, other, weights="saved", **options)
    (pair,) = report.scenarios[0].pairs
    return pair


def with_value(model: Any, value: float) -> Any:
    kernel, bias = model.layers[1].get_weights()
    bias[2] = value
    model.layers[1].set_weights([kernel, bias])
    return model


def test_one_value_of_one_weight() -> None:
    pair = compared(dense(), with_value(dense(), 0.25))
    saved = pair.saved_weights
    assert saved is not None
    (bias,) = saved.differing
    assert (bias.mismatched, bias.compared, bias.max_abs) == (1, 3, 0.25)
    assert (saved.compared, saved.verdict, saved.max_abs) == (4, "different", 0.25)
    assert (pair.verdict, pair.also_differs) == ("equivalent", ("weights",))


@pytest.mark.parametrize("value", [-0.0, 1e-45])
def test_the_least_difference_counts_and_a_signed_zero_does_not(value: float) -> None:
    saved = compared(dense(), with_value(dense(), value)).saved_weights
    assert saved is not None
    assert len(saved.differing) == (1 if value else 0)


def test_not_a_number_equals_only_itself() -> None:
    broken = with_value(dense(), np.nan)
    same = compared(broken, with_value(dense(), np.nan)).saved_weights
    other = compared(dense(), broken).saved_weights
    assert same is not None
    assert other is not None
    assert (len(same.differing), len(other.differing)) == (0, 1)


def test_weights_are_compared_after_a_reshape() -> None:
    conv = keras.Sequential([keras.Input((5, 4)), keras.layers.Conv1D(3, 1)])
    plain = keras.Sequential([keras.Input((5, 4)), keras.layers.Dense(3)])
    plain.layers[0].set_weights([w.reshape(w.shape[-2:] if w.ndim == 3 else w.shape) for w in conv.get_weights()])  # fmt: skip # noqa: E501
    pair = compared(conv, plain)
    assert pair.saved_weights is not None
    assert (pair.verdict, pair.saved_weights.differing) == ("equivalent", ())


def test_models_whose_weights_cannot_be_carried_over_are_judged_as_saved() -> None:
    one = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, use_bias=False)])
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    other.layers[0].set_weights([*one.get_weights(), np.zeros(3, "float32")])
    pair = compared(one, other)
    saved = pair.saved_weights
    assert saved is not None
    assert (pair.verdict, saved.paired, saved.compared) == ("param_mismatch", False, 0)
    assert saved.verdict == "equivalent"
    assert "weights" not in pair.also_differs


def test_functions_and_weights_may_both_differ() -> None:
    pair = compared(dense(), dense(seed=1, activation="tanh"))
    assert pair.verdict == "different"
    assert "weights" in pair.also_differs
    assert pair.explanation.startswith("Both the architectures and the saved weights differ: 2 of")


def test_the_models_keep_their_weights_and_the_verdict_its_figures() -> None:
    one, other = dense(), dense(seed=1)
    before = [*one.get_weights(), *other.get_weights()]
    pair = compared(one, other)
    after = [*one.get_weights(), *other.get_weights()]
    assert all(map(np.array_equal, before, after))
    (alone,) = layerlens.compare(one, other, weights="carried").scenarios[0].pairs
    unsaved = replace(pair, explanation="", why=(), also_differs=(), saved_weights=None)
    assert unsaved == replace(alone, explanation="", why=(), also_differs=())


def test_by_default_objects_are_compared_as_functions() -> None:
    (pair,) = layerlens.compare(dense(), dense(seed=1)).scenarios[0].pairs
    assert pair.saved_weights is None
