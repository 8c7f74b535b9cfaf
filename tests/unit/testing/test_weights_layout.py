"""Whether set_weights assigns each weight of a model to its counterpart in another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from layerlens.testing.assertions import Assertions

pytestmark = pytest.mark.usefixtures("backend")


def branches(first: bool, names: tuple[str | None, str | None], merge: str = "Add") -> Any:
    """Return shift(x) + tanh(scale(x)), the layers called in either order."""
    import keras

    given = keras.Input((3,))
    shift = keras.layers.Dense(3, name=names[0])
    scale = keras.layers.Dense(3, activation="tanh", name=names[1])
    one, other = (shift(given), scale(given)) if first else (scale(given), shift(given))
    return keras.Model(given, getattr(keras.layers, merge)()([one, other]))


def outputs_after_set_weights(one: Any, other: Any) -> float:
    import keras
    import numpy as np

    keras.utils.set_random_seed(1)
    other.set_weights(one.get_weights())
    x = np.ones((2, 3), "float32")
    return float(np.abs(np.asarray(one(x)) - np.asarray(other(x))).max())


@pytest.mark.parametrize(
    "names", [("shift", "scale"), (None, None)], ids=["names given", "automatic names"]
)
def test_swapped_layers_of_one_shape_fail(names: Any) -> None:
    one, other = branches(True, names), branches(False, names)
    assert outputs_after_set_weights(one, other) > 0.01
    with pytest.raises(AssertionError) as failure:
        Assertions().assert_same_weights_layout(one, other)
    text = str(failure.value)
    if names[0]:
        assert "weights[0]: expected shift/kernel [3, 3], received scale/kernel [3, 3]" in text
    else:
        assert "weights[0]" in text


def chain(*names: str | None, prefix: str | None = None) -> Any:
    import keras

    inner = [keras.layers.Dense(3, name=name) for name in names]
    if prefix is not None:
        inner = [keras.Sequential(inner, name=prefix)]
    return keras.Sequential([keras.Input((3,)), *inner])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: chain(None, None), lambda: (chain(None), chain(None, None))[1]),
        (lambda: chain("first", "second"), lambda: chain(None, None)),
        (lambda: chain("first", "second"), lambda: chain("one", "two")),
        (lambda: chain("a", "b"), lambda: chain("a", "b", prefix="inside")),
        (lambda: branches(True, (None, None)), lambda: branches(True, (None, None))),
        (lambda: branches(True, ("shift", "scale")), lambda: branches(True, ("shift", "scale"))),
    ],
    ids=["counters", "named and not", "renamed", "prefix", "automatic", "given"],
)
def test_different_names_of_the_same_layers_pass(
    one: Callable[[], Any], other: Callable[[], Any]
) -> None:
    ours, theirs = one(), other()
    assert outputs_after_set_weights(ours, theirs) == 0
    Assertions().assert_same_weights_layout(ours, theirs)


def test_named_layers_in_another_order_fail() -> None:
    with pytest.raises(AssertionError, match="expected a/kernel"):
        Assertions().assert_same_weights_layout(chain("a", "b"), chain("b", "a"))
