from __future__ import annotations

import numpy as np
import pytest

from layerlens.comparison.training_data import draw_inputs, draw_targets
from layerlens.numerics.probes import Domain
from layerlens.scenario.spec import InputSpec


def domain(dtype: str = "float32", *shape: int, low: int = 0, high: int = 2) -> Domain:
    words = ("a", "b") if dtype == "string" else ()
    return Domain(InputSpec("input", shape, dtype), shape, low, high, words)


def test_inputs_have_their_shape_dtype_and_range() -> None:
    domains = (
        domain("float32", 3, 2),
        domain("int32", 5, low=2, high=6),
        domain("bool", 4),
        domain("string", 2),
    )
    floats, numbers, flags, words = draw_inputs(domains, 7, seed=0)
    assert floats.shape == (7, 3, 2)
    assert floats.min() < 0 < floats.max()
    assert (numbers.dtype, numbers.shape) == (np.dtype("int32"), (7, 5))
    assert set(numbers.ravel().tolist()) == {2, 3, 4, 5}
    assert flags.dtype == bool
    assert set(words.ravel().tolist()) == {"a", "b"}


def test_equal_seeds_and_shapes_give_equal_data() -> None:
    one, same = (draw_inputs((domain("float32", 3),), 4, seed=1)[0] for _ in range(2))
    (other,) = draw_inputs((domain("float32", 3),), 4, seed=2)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    targets = [draw_targets("mse", (3,), (3,), 4, seed=1) for _ in range(2)]
    assert np.array_equal(*targets)


def test_distributions_sum_to_one_and_logarithms_get_positive_targets() -> None:
    shares = draw_targets("kl_divergence", (4,), (4,), 5, seed=0)
    assert (shares > 0).all()
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0)


@pytest.mark.parametrize("loss", ["poisson", "mean_squared_logarithmic_error", "mape"])
def test_losses_that_take_a_logarithm_or_divide_get_positive_targets(loss: str) -> None:
    assert (draw_targets(loss, (4,), (4,), 50, seed=0) > 0).all()


def test_targets_are_in_the_domain_of_the_loss() -> None:
    one_hot = draw_targets("CategoricalCrossentropy", (5, 3), (5, 3), 4, seed=0)
    assert one_hot.shape == (4, 5, 3)
    assert np.array_equal(one_hot.sum(axis=-1), np.ones((4, 5)))
    classes = draw_targets("sparse_categorical_crossentropy", (5,), (5, 3), 40, seed=0)
    assert set(classes.ravel()) == {0, 1, 2}
    assert set(draw_targets("binary_crossentropy", (9,), (9,), 4, seed=0).ravel()) == {0, 1}
    assert set(draw_targets("hinge", (9,), (9,), 4, seed=0).ravel()) == {-1, 1}
    assert draw_targets("mse", (9,), (9,), 4, seed=0).min() < 0
